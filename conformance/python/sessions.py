from datetime import datetime, timedelta, timezone

from context import ACCOUNT_SID, NUMBERS, RUN, equal, matches, people, perform, recent, refused, services, sids


def check_sessions(service):
    sessions = services(service).sessions
    made = {}

    @perform("sessions.create")
    def _():
        session = sessions.create(unique_name=f"{RUN}-order-1", ttl=600, mode="message-only")
        made["sid"] = session.sid
        matches(session.sid, "KC")
        equal(session.service_sid, service)
        equal(session.account_sid, ACCOUNT_SID)
        equal(session.unique_name, f"{RUN}-order-1")
        equal(session.status, "open")
        equal(session.mode, "message-only")
        equal(session.ttl, 600)
        for unset in ("date_started", "date_ended", "date_last_interaction", "date_expiry", "closed_reason"):
            equal(getattr(session, unset), None, unset)
        equal(session.links["participants"], f"{session.url}/Participants")
        equal(session.links["interactions"], f"{session.url}/Interactions")
        recent(session.date_created)

    sid = made.get("sid", "KC")

    @perform("sessions.create-with-participants")
    def _():
        alice, bob = next(people), next(people)
        session = sessions.create(
            participants=[
                {"Identifier": alice, "FriendlyName": "Alice"},
                {"Identifier": bob, "ProxyIdentifier": NUMBERS[0]},
            ]
        )
        equal(session.mode, "voice-and-message")
        found = {person.identifier: person for person in sessions(session.sid).participants.list()}
        equal(set(found), {alice, bob})
        equal(found[alice].friendly_name, "Alice")
        equal(found[bob].proxy_identifier, NUMBERS[0])
        pool = services(service).phone_numbers.list()
        equal([number.in_use for number in pool if number.phone_number == NUMBERS[0]], [1], "in_use")

    @perform("sessions.fetch")
    def _():
        session = sessions(sid).fetch()
        equal(session.sid, sid)
        equal(session.status, "open")

    @perform("sessions.fetch-by-name")
    def _():
        equal(sessions(f"{RUN}-order-1").fetch().sid, sid)

    @perform("sessions.list")
    def _():
        for _ in range(3):
            sessions.create()
        everything = [session.sid for session in sessions.stream(page_size=2)]
        equal(len(everything), 5)
        equal(everything[0], sid)
        equal(everything, sorted(set(everything)))
        equal(sids(sessions.list(limit=99_999_999)), everything)
        equal(sids(sessions.list(limit=3, page_size=2)), everything[:3])

    @perform("sessions.update")
    def _():
        tomorrow = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
        session = sessions(sid).update(date_expiry=tomorrow, ttl=1200)
        equal(session.ttl, 1200)
        equal(session.date_expiry, tomorrow)

    @perform("errors.duplicate-name")
    def _():
        refused(lambda: sessions.create(unique_name=f"{RUN}-order-1"), 400, 80603, "unique")

    return sid


def check_closing(service, session):
    context = services(service).sessions(session)

    @perform("sessions.close")
    def _():
        closed = context.update(status="closed")
        equal(closed.status, "closed")
        equal(closed.closed_reason, "api")
        recent(closed.date_ended)

    @perform("errors.closed-session")
    def _():
        refused(lambda: context.participants.create(identifier=next(people)), 400, 80607, "closed")

    @perform("sessions.reopen")
    def _():
        opened = context.update(status="in-progress")
        equal(opened.status, "in-progress")
        equal(opened.closed_reason, None)
        equal(opened.date_ended, None)

    @perform("sessions.delete")
    def _():
        equal(context.delete(), True)
        refused(context.fetch, 404, 20404, "was not found")
