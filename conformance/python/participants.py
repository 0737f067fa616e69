import json

from context import (
    NUMBERS,
    equal,
    eventually,
    matches,
    people,
    perform,
    recent,
    refused,
    services,
    sids,
    text_from_handset,
    true,
)


def check_participants(service, session):
    participants = services(service).sessions(session).participants
    alice, bob = next(people), next(people)
    made = {}

    @perform("participants.create")
    def _():
        person = participants.create(identifier=alice, friendly_name="Zoë")
        made["first"] = person.sid
        matches(person.sid, "KP")
        equal(person.session_sid, session)
        equal(person.identifier, alice)
        equal(person.friendly_name, "Zoë")
        true(person.proxy_identifier in NUMBERS, f"{person.proxy_identifier} is none of {NUMBERS}")
        matches(person.proxy_identifier_sid, "PN")
        equal(person.date_deleted, None)
        equal(person.links["message_interactions"], f"{person.url}/MessageInteractions")
        partner = participants.create(identifier=bob, proxy_identifier=NUMBERS[1])
        made["second"] = partner.sid
        equal(partner.proxy_identifier, NUMBERS[1])

    first, second = made.get("first", "KP"), made.get("second", "KP")

    @perform("participants.fetch")
    def _():
        equal(participants(first).fetch().identifier, alice)

    @perform("participants.list")
    def _():
        equal(set(sids(participants.list(page_size=1))), {first, second})

    @perform("errors.third-participant")
    def _():
        refused(lambda: participants.create(identifier=next(people)), 400, 80609, "participants")

    check_message_interactions(service, session, first)

    @perform("interactions.relayed")
    def _():
        text_from_handset(alice, participants(first).fetch().proxy_identifier, "Where are you?")
        interactions = services(service).sessions(session).interactions
        found = eventually(lambda: [each for each in interactions.list() if each.inbound_participant_sid == first])
        equal(json.loads(found[0].data), {"body": "Where are you?"})
        equal(found[0].type, "message")
        equal(found[0].inbound_resource_status, "delivered")
        matches(found[0].inbound_resource_sid, "SM")
        equal(found[0].inbound_resource_type, "message")
        equal(found[0].outbound_participant_sid, second)

    @perform("participants.delete")
    def _():
        equal(participants(second).delete(), True)
        equal(sids(participants.list()), [first])
        recent(participants(second).fetch().date_deleted)


def check_message_interactions(service, session, participant):
    context = services(service).sessions(session)
    messages = context.participants(participant).message_interactions
    body = "Your order is on its way – ½ hour"
    sent = []

    @perform("message-interactions.create")
    def _():
        message = messages.create(body=body)
        sent.append(message.sid)
        matches(message.sid, "KI")
        equal(message.type, "message")
        equal(json.loads(message.data), {"body": body})
        equal(message.participant_sid, participant)
        equal(message.outbound_participant_sid, participant)
        equal(message.outbound_resource_type, "message")
        equal(message.inbound_participant_sid, None)
        equal(message.inbound_resource_status, None)
        recent(message.date_created)
        started = context.fetch()
        equal(started.status, "in-progress")
        recent(started.date_started)
        recent(started.date_last_interaction)
        sent.append(messages.create(body="Second").sid)

    @perform("message-interactions.fetch")
    def _():
        message = messages(sent[0]).fetch()
        equal(message.sid, sent[0])
        equal(json.loads(message.data), {"body": body})

    @perform("message-interactions.list")
    def _():
        equal(sids(messages.list(page_size=1)), sent)

    @perform("interactions.fetch")
    def _():
        interaction = context.interactions(sent[0]).fetch()
        equal(interaction.sid, sent[0])
        equal(interaction.type, "message")
        equal(interaction.outbound_participant_sid, participant)
        equal(json.loads(interaction.data), {"body": body})

    @perform("interactions.list")
    def _():
        equal(sids(context.interactions.list(page_size=1)), sent)

    @perform("interactions.delete")
    def _():
        equal(context.interactions(sent[0]).delete(), True)
        equal(sids(context.interactions.list()), sent[1:])
        refused(lambda: context.interactions(sent[0]).fetch(), 404, 20404, "was not found")
