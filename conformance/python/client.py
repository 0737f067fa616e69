"""Every call once, against the server that context.py names."""

import sys

from context import RUN, failures, services
from participants import check_participants
from services import check_credentials, check_phone_numbers, check_services
from sessions import check_closing, check_sessions

check_services()
check_credentials()
orders = services.create(unique_name=f"{RUN}-orders")
try:
    check_phone_numbers(orders.sid)
    order = check_sessions(orders.sid)
    check_participants(orders.sid, order)
    check_closing(orders.sid, order)
finally:
    orders.delete()
sys.exit(1 if failures else 0)
