import com.twilio.rest.proxy.v1.service.PhoneNumber;
import com.twilio.rest.proxy.v1.service.Session;
import com.twilio.rest.proxy.v1.service.session.Interaction;
import com.twilio.rest.proxy.v1.service.session.Participant;
import com.twilio.rest.proxy.v1.service.session.participant.MessageInteraction;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Everything below one service's sessions. */
final class Sessions {
    private static final String BODY = "Your order is on its way – ½ hour";
    private final String service;
    private final String name = Client.RUN + "-order-1";
    private String session = "KC";
    private String alice = "KP";
    private String bob = "KP";
    private List<String> sent = List.of("KI", "KI");

    Sessions(String service) {
        this.service = service;
    }

    void check() {
        checkSessions();
        checkParticipants();
        checkMessageInteractions();
        checkInteractions();
        Report.perform("interactions.relayed", this::checkRelayed);
        Report.perform("participants.delete", () -> {
            Report.equal("deleted", Participant.deleter(service, session, bob).delete(Client.API), true);
            var left = Report.collect(Participant.reader(service, session).read(Client.API), Participant::getSid);
            Report.equal("who is left", left, List.of(alice));
            Report.recent("date_deleted",
                    Participant.fetcher(service, session, bob).fetch(Client.API).getDateDeleted());
        });
        checkClosing();
    }

    private void checkSessions() {
        Report.perform("sessions.create", this::create);
        Report.perform("sessions.create-with-participants", this::createWithParticipants);
        Report.perform("sessions.fetch", () -> Report.equal("status",
                Session.fetcher(service, session).fetch(Client.API).getStatus(), Session.Status.OPEN));
        Report.perform("sessions.fetch-by-name", () -> Report.equal("sid",
                Session.fetcher(service, name).fetch(Client.API).getSid(), session));
        Report.perform("sessions.list", () -> {
            for (int i = 0; i < 3; i++) {
                Session.creator(service).create(Client.API);
            }
            var everything = Report.collect(Session.reader(service).pageSize(2).read(Client.API), Session::getSid);
            Report.equal("sessions", everything.size(), 5);
            Report.equal("the first", everything.get(0), session);
            Report.equal("in order, each once", everything, Report.sorted(everything));
            var three = Session.reader(service).limit(3).pageSize(2).read(Client.API);
            Report.equal("the first three", Report.collect(three, Session::getSid), everything.subList(0, 3));
        });
        Report.perform("sessions.update", () -> {
            var tomorrow = ZonedDateTime.now(ZoneOffset.UTC).truncatedTo(ChronoUnit.SECONDS).plusDays(1);
            Session updated =
                    Session.updater(service, session).setDateExpiry(tomorrow).setTtl(1200).update(Client.API);
            Report.equal("ttl", updated.getTtl(), 1200);
            Report.equal("date_expiry", updated.getDateExpiry().toInstant(), tomorrow.toInstant());
        });
        Report.perform("errors.duplicate-name", () -> Report.refused(
                () -> Session.creator(service).setUniqueName(name).create(Client.API), 400, 80603, "unique"));
    }

    private void create() {
        Session created = Session.creator(service)
                .setUniqueName(name)
                .setTtl(600)
                .setMode(Session.Mode.MESSAGE_ONLY)
                .create(Client.API);
        session = created.getSid();
        Report.matches("sid", session, "KC[0-9a-f]{32}");
        Report.equal("service_sid", created.getServiceSid(), service);
        Report.equal("account_sid", created.getAccountSid(), Client.ACCOUNT_SID);
        Report.equal("unique_name", created.getUniqueName(), name);
        Report.equal("status", created.getStatus(), Session.Status.OPEN);
        Report.equal("mode", created.getMode(), Session.Mode.MESSAGE_ONLY);
        Report.equal("ttl", created.getTtl(), 600);
        Report.equal("date_started", created.getDateStarted(), null);
        Report.equal("date_ended", created.getDateEnded(), null);
        Report.equal("date_last_interaction", created.getDateLastInteraction(), null);
        Report.equal("date_expiry", created.getDateExpiry(), null);
        Report.equal("closed_reason", created.getClosedReason(), null);
        Report.equal("links", created.getLinks().get("participants"), created.getUrl() + "/Participants");
        Report.equal("links", created.getLinks().get("interactions"), created.getUrl() + "/Interactions");
        Report.recent("date_created", created.getDateCreated());
    }

    private void createWithParticipants() {
        String buyer = Report.nextPerson();
        String seller = Report.nextPerson();
        Session created = Session.creator(service)
                .setParticipants(List.of(
                        Map.of("Identifier", buyer, "FriendlyName", "Alice"),
                        Map.of("Identifier", seller, "ProxyIdentifier", Client.NUMBERS.get(0))))
                .create(Client.API);
        Report.equal("mode", created.getMode(), Session.Mode.VOICE_AND_MESSAGE);
        Map<String, Participant> found = Participant.reader(service, created.getSid()).firstPage(Client.API)
                .getRecords().stream().collect(Collectors.toMap(Participant::getIdentifier, Function.identity()));
        Report.equal("participants", found.size(), 2);
        Report.equal("friendly_name", found.get(buyer).getFriendlyName(), "Alice");
        Report.equal("proxy_identifier", found.get(seller).getProxyIdentifier(), Client.NUMBERS.get(0));
        for (PhoneNumber number : PhoneNumber.reader(service).read(Client.API)) {
            if (number.getPhoneNumber().toString().equals(Client.NUMBERS.get(0))) {
                Report.equal("in_use", number.getInUse(), 1);
            }
        }
    }

    private void checkParticipants() {
        String identifier = Report.nextPerson();
        Report.perform("participants.create", () -> {
            Participant person =
                    Participant.creator(service, session, identifier).setFriendlyName("Zoë").create(Client.API);
            alice = person.getSid();
            Report.matches("sid", alice, "KP[0-9a-f]{32}");
            Report.equal("session_sid", person.getSessionSid(), session);
            Report.equal("identifier", person.getIdentifier(), identifier);
            Report.equal("friendly_name", person.getFriendlyName(), "Zoë");
            Report.equal("ours", Client.NUMBERS.contains(person.getProxyIdentifier()), true);
            Report.matches("proxy_identifier_sid", person.getProxyIdentifierSid(), "PN[0-9a-f]{32}");
            Report.equal("date_deleted", person.getDateDeleted(), null);
            Report.equal("links", person.getLinks().get("message_interactions"),
                    person.getUrl() + "/MessageInteractions");
            Participant partner = Participant.creator(service, session, Report.nextPerson())
                    .setProxyIdentifier(Client.NUMBERS.get(1))
                    .create(Client.API);
            bob = partner.getSid();
            Report.equal("proxy_identifier", partner.getProxyIdentifier(), Client.NUMBERS.get(1));
        });
        Report.perform("participants.fetch", () -> Report.equal("identifier",
                Participant.fetcher(service, session, alice).fetch(Client.API).getIdentifier(), identifier));
        Report.perform("participants.list", () -> {
            var one = Participant.reader(service, session).pageSize(1).read(Client.API);
            var listed = Report.collect(one, Participant::getSid);
            Report.equal("how many", listed.size(), 2);
            Report.equal("listed", Report.sorted(listed), Report.sorted(List.of(alice, bob)));
        });
        Report.perform("errors.third-participant", () -> Report.refused(
                () -> Participant.creator(service, session, Report.nextPerson()).create(Client.API),
                400, 80609, "participants"));
    }

    private void checkMessageInteractions() {
        Report.perform("message-interactions.create", () -> {
            MessageInteraction message =
                    MessageInteraction.creator(service, session, alice, BODY).create(Client.API);
            Report.matches("sid", message.getSid(), "KI[0-9a-f]{32}");
            Report.equal("type", message.getType(), MessageInteraction.Type.MESSAGE);
            Report.equal("data", Report.JSON.readTree(message.getData()).get("body").asText(), BODY);
            Report.equal("participant_sid", message.getParticipantSid(), alice);
            Report.equal("outbound_participant_sid", message.getOutboundParticipantSid(), alice);
            Report.equal("outbound_resource_type", message.getOutboundResourceType(), "message");
            Report.equal("inbound_participant_sid", message.getInboundParticipantSid(), null);
            Report.equal("inbound_resource_status", message.getInboundResourceStatus(), null);
            Report.recent("date_created", message.getDateCreated());
            Session started = Session.fetcher(service, session).fetch(Client.API);
            Report.equal("status", started.getStatus(), Session.Status.IN_PROGRESS);
            Report.recent("date_started", started.getDateStarted());
            Report.recent("date_last_interaction", started.getDateLastInteraction());
            sent = List.of(message.getSid(),
                    MessageInteraction.creator(service, session, alice, "Second").create(Client.API).getSid());
        });
        Report.perform("message-interactions.fetch", () -> {
            var message = MessageInteraction.fetcher(service, session, alice, sent.get(0)).fetch(Client.API);
            Report.equal("data", Report.JSON.readTree(message.getData()).get("body").asText(), BODY);
        });
        Report.perform("message-interactions.list", () -> {
            var one = MessageInteraction.reader(service, session, alice).pageSize(1).read(Client.API);
            Report.equal("listed", Report.collect(one, MessageInteraction::getSid), sent);
        });
    }

    private void checkInteractions() {
        Report.perform("interactions.fetch", () -> {
            var interaction = Interaction.fetcher(service, session, sent.get(0)).fetch(Client.API);
            Report.equal("type", interaction.getType(), Interaction.Type.MESSAGE);
            Report.equal("outbound_participant_sid", interaction.getOutboundParticipantSid(), alice);
            Report.equal("data", Report.JSON.readTree(interaction.getData()).get("body").asText(), BODY);
        });
        Report.perform("interactions.list", () -> {
            var one = Interaction.reader(service, session).pageSize(1).read(Client.API);
            Report.equal("listed", Report.collect(one, Interaction::getSid), sent);
        });
        Report.perform("interactions.delete", () -> {
            Report.equal("deleted", Interaction.deleter(service, session, sent.get(0)).delete(Client.API), true);
            var left = Report.collect(Interaction.reader(service, session).read(Client.API), Interaction::getSid);
            Report.equal("interactions", left, sent.subList(1, 2));
            Report.refused(() -> Interaction.fetcher(service, session, sent.get(0)).fetch(Client.API),
                    404, 20404, "was not found");
        });
    }

    private void checkRelayed() throws Exception {
        Participant sender = Participant.fetcher(service, session, alice).fetch(Client.API);
        Report.textFromHandset(sender.getIdentifier(), sender.getProxyIdentifier(), "Where are you?");
        Interaction relayed = Report.eventually(() -> {
            for (Interaction each : Interaction.reader(service, session).read(Client.API)) {
                if (alice.equals(each.getInboundParticipantSid())) {
                    return each;
                }
            }
            return null;
        });
        Report.equal("data", Report.JSON.readTree(relayed.getData()).get("body").asText(), "Where are you?");
        Report.equal("type", relayed.getType(), Interaction.Type.MESSAGE);
        Report.equal("status", relayed.getInboundResourceStatus(), Interaction.ResourceStatus.DELIVERED);
        Report.matches("sid", relayed.getInboundResourceSid(), "SM[0-9a-f]{32}");
        Report.equal("type", relayed.getInboundResourceType(), "message");
        Report.equal("to", relayed.getOutboundParticipantSid(), bob);
    }

    private void checkClosing() {
        Report.perform("sessions.close", () -> {
            Session closed =
                    Session.updater(service, session).setStatus(Session.Status.CLOSED).update(Client.API);
            Report.equal("status", closed.getStatus(), Session.Status.CLOSED);
            Report.equal("closed_reason", closed.getClosedReason(), "api");
            Report.recent("date_ended", closed.getDateEnded());
        });
        Report.perform("errors.closed-session", () -> Report.refused(
                () -> Participant.creator(service, session, Report.nextPerson()).create(Client.API),
                400, 80607, "closed"));
        Report.perform("sessions.reopen", () -> {
            Session opened =
                    Session.updater(service, session).setStatus(Session.Status.IN_PROGRESS).update(Client.API);
            Report.equal("status", opened.getStatus(), Session.Status.IN_PROGRESS);
            Report.equal("closed_reason", opened.getClosedReason(), null);
            Report.equal("date_ended", opened.getDateEnded(), null);
        });
        Report.perform("sessions.delete", () -> {
            Report.equal("deleted", Session.deleter(service, session).delete(Client.API), true);
            Report.refused(() -> Session.fetcher(service, session).fetch(Client.API), 404, 20404, "was not found");
        });
    }
}
