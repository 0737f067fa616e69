"""The PyPI package `twilio`. The one line that differs from a program written for the vendor is marked below.

Everything is checked as the library hands it out: dates as datetime, refusals as TwilioRestException (which carries no
more_info; the message and the code are what a program sees).
"""

import json
import os
import secrets
import time
from datetime import datetime, timedelta, timezone

import requests
import twilio
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

BASE_URL = os.environ["CONFORMANCE_BASE_URL"]
ACCOUNT_SID = os.environ["CONFORMANCE_ACCOUNT_SID"]
AUTH_TOKEN = os.environ["CONFORMANCE_AUTH_TOKEN"]
API_KEY = (os.environ["CONFORMANCE_API_KEY_SID"], os.environ["CONFORMANCE_API_KEY_SECRET"])
NUMBERS = os.environ["CONFORMANCE_NUMBERS"].split(",")
RUN = f"python-{secrets.token_hex(4)}"


def connect(username, password):
    client = Client(username, password, ACCOUNT_SID)
    client.proxy.base_url = BASE_URL  # the one line
    return client.proxy.v1.services


services = connect(ACCOUNT_SID, AUTH_TOKEN)
failures = []
people = (f"+120255501{n:02d}" for n in range(100))


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what or 'value'} is {actual!r}, not {expected!r}")


def true(condition, otherwise):
    if not condition:
        raise AssertionError(otherwise)


def matches(text, prefix):
    true(isinstance(text, str) and text.startswith(prefix) and len(text) == 34, f"{text!r} is no {prefix} SID")


def recent(moment):
    true(isinstance(moment, datetime), f"{moment!r} is no datetime")
    true(abs(datetime.now(timezone.utc) - moment) < timedelta(seconds=60), f"{moment} is not of just now")


def refused(act, status, code, words):
    try:
        act()
    except TwilioRestException as error:
        equal(error.status, status, "status")
        equal(error.code, code, "code")
        true(words.lower() in error.msg.lower(), f"message {error.msg!r} does not say {words!r}")
        return
    raise AssertionError("the call was not refused")


def text_from_handset(sender, receiver, body):
    """Texts a proxy number from a person's simulated handset: a text that arrives is not one of the API's own calls."""
    message = {"from": sender, "to": receiver, "body": body}
    answer = requests.post(f"{BASE_URL}/simulator/messages", json=message, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=30)
    equal(answer.status_code, 202)


def eventually(find):
    """Tries again until there is something: a relayed message is logged a moment after it was sent."""
    for _ in range(50):
        found = find()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("nothing came within 50 attempts")


def perform(operation):
    """Runs the decorated function at once and prints a line for it; a failure does not stop those that follow."""

    def run(act):
        outcome = {"client": "python", "version": twilio.__version__, "operation": operation, "ok": True}
        try:
            act()
        except Exception as error:
            outcome |= {"ok": False, "detail": f"{type(error).__name__}: {error}"}
            failures.append(operation)
        print(json.dumps(outcome), flush=True)

    return run


def sids(items):
    return [item.sid for item in items]
