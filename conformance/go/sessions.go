package main

import (
	"encoding/json"
	"slices"
	"time"

	proxy "github.com/twilio/twilio-go/rest/proxy/v1"
)

func checkSessions(service string) string {
	var sid string
	perform("sessions.create", func() {
		session := must(api.CreateSession(service, (&proxy.CreateSessionParams{}).
			SetUniqueName(run+"-order-1").SetTtl(600).SetMode("message-only")))
		sid = value(session.Sid, "sid")
		location := value(session.Url, "url")
		matches("sid", sid, "^KC[0-9a-f]{32}$")
		equal("service_sid", value(session.ServiceSid, "service_sid"), service)
		equal("account_sid", value(session.AccountSid, "account_sid"), accountSid)
		equal("unique_name", value(session.UniqueName, "unique_name"), run+"-order-1")
		equal("status", value(session.Status, "status"), "open")
		equal("mode", value(session.Mode, "mode"), "message-only")
		equal("ttl", session.Ttl, 600)
		null("date_started", session.DateStarted)
		null("date_ended", session.DateEnded)
		null("date_last_interaction", session.DateLastInteraction)
		null("date_expiry", session.DateExpiry)
		null("closed_reason", session.ClosedReason)
		links := value(session.Links, "links")
		equal("links.participants", links["participants"], location+"/Participants")
		equal("links.interactions", links["interactions"], location+"/Interactions")
		recent("date_created", session.DateCreated)
	})
	perform("sessions.create-with-participants", func() { createWithParticipants(service) })
	perform("sessions.fetch", func() {
		equal("status", value(must(api.FetchSession(service, sid)).Status, "status"), "open")
	})
	perform("sessions.fetch-by-name", func() {
		equal("sid", value(must(api.FetchSession(service, run+"-order-1")).Sid, "sid"), sid)
	})
	perform("sessions.list", func() {
		for range 3 {
			must(api.CreateSession(service, nil))
		}
		stream := collect(func(session proxy.ProxyV1Session) *string { return session.Sid })
		everything := stream(api.StreamSession(service, (&proxy.ListSessionParams{}).SetPageSize(2)))
		equal("sessions", len(everything), 5)
		equal("the first", everything[0], sid)
		equal("in order, each once", everything, slices.Compact(sorted(everything)))
		equal("with a limit alone", stream(api.StreamSession(service, (&proxy.ListSessionParams{}).SetLimit(9999))), everything)
		three := (&proxy.ListSessionParams{}).SetLimit(3).SetPageSize(2)
		equal("the first three", stream(api.StreamSession(service, three)), everything[:3])
	})
	perform("sessions.update", func() {
		tomorrow := time.Now().UTC().Truncate(time.Second).Add(24 * time.Hour)
		session := must(api.UpdateSession(service, sid,
			(&proxy.UpdateSessionParams{}).SetDateExpiry(tomorrow).SetTtl(1200)))
		equal("ttl", session.Ttl, 1200)
		equal("date_expiry", value(session.DateExpiry, "date_expiry").UTC(), tomorrow)
	})
	perform("errors.duplicate-name", func() {
		_, err := api.CreateSession(service, (&proxy.CreateSessionParams{}).SetUniqueName(run+"-order-1"))
		refused(err, 400, 80603, "unique")
	})
	return sid
}

func createWithParticipants(service string) {
	alice, bob := nextPerson(), nextPerson()
	session := must(api.CreateSession(service, (&proxy.CreateSessionParams{}).SetParticipants([]any{
		map[string]string{"Identifier": alice, "FriendlyName": "Alice"},
		map[string]string{"Identifier": bob, "ProxyIdentifier": numbers[0]},
	})))
	equal("mode", value(session.Mode, "mode"), "voice-and-message")
	found := map[string]proxy.ProxyV1Participant{}
	for _, person := range must(api.ListParticipant(service, value(session.Sid, "sid"), nil)) {
		found[value(person.Identifier, "identifier")] = person
	}
	equal("participants", len(found), 2)
	equal("friendly_name", value(found[alice].FriendlyName, "Alice's friendly_name"), "Alice")
	equal("proxy_identifier", value(found[bob].ProxyIdentifier, "Bob's proxy_identifier"), numbers[0])
	for _, number := range must(api.ListPhoneNumber(service, nil)) {
		if value(number.PhoneNumber, "phone_number") == numbers[0] {
			equal("in_use", number.InUse, 1)
		}
	}
}

func checkParticipants(service, session string) {
	alice, bob := nextPerson(), nextPerson()
	var first, second string
	perform("participants.create", func() {
		person := must(api.CreateParticipant(service, session,
			(&proxy.CreateParticipantParams{}).SetIdentifier(alice).SetFriendlyName("Zoë")))
		first = value(person.Sid, "sid")
		matches("sid", first, "^KP[0-9a-f]{32}$")
		equal("session_sid", value(person.SessionSid, "session_sid"), session)
		equal("identifier", value(person.Identifier, "identifier"), alice)
		equal("friendly_name", value(person.FriendlyName, "friendly_name"), "Zoë")
		equal("ours", slices.Contains(numbers, value(person.ProxyIdentifier, "proxy_identifier")), true)
		matches("proxy_identifier_sid", value(person.ProxyIdentifierSid, "proxy_identifier_sid"), "^PN[0-9a-f]{32}$")
		null("date_deleted", person.DateDeleted)
		links := value(person.Links, "links")
		equal("links", links["message_interactions"], value(person.Url, "url")+"/MessageInteractions")
		partner := must(api.CreateParticipant(service, session,
			(&proxy.CreateParticipantParams{}).SetIdentifier(bob).SetProxyIdentifier(numbers[1])))
		second = value(partner.Sid, "sid")
		equal("proxy_identifier", value(partner.ProxyIdentifier, "proxy_identifier"), numbers[1])
	})
	perform("participants.fetch", func() {
		person := must(api.FetchParticipant(service, session, first))
		equal("identifier", value(person.Identifier, "identifier"), alice)
	})
	perform("participants.list", func() {
		stream := collect(func(person proxy.ProxyV1Participant) *string { return person.Sid })
		listed := stream(api.StreamParticipant(service, session, (&proxy.ListParticipantParams{}).SetPageSize(1)))
		equal("listed", sorted(listed), sorted([]string{first, second}))
	})
	perform("errors.third-participant", func() {
		_, err := api.CreateParticipant(service, session, (&proxy.CreateParticipantParams{}).SetIdentifier(nextPerson()))
		refused(err, 400, 80609, "participants")
	})
	checkMessageInteractions(service, session, first)
	perform("interactions.relayed", func() {
		person := must(api.FetchParticipant(service, session, first))
		textFromHandset(alice, value(person.ProxyIdentifier, "proxy_identifier"), "Where are you?")
		relayed := eventually(func() *proxy.ProxyV1Interaction {
			for _, each := range must(api.ListInteraction(service, session, nil)) {
				if each.InboundParticipantSid != nil && *each.InboundParticipantSid == first {
					return &each
				}
			}
			return nil
		})
		equal("body", textOf(relayed.Data), "Where are you?")
		equal("type", value(relayed.Type, "type"), "message")
		equal("status", value(relayed.InboundResourceStatus, "inbound_resource_status"), "delivered")
		matches("sid", value(relayed.InboundResourceSid, "inbound_resource_sid"), "^SM[0-9a-f]{32}$")
		equal("type", value(relayed.InboundResourceType, "inbound_resource_type"), "message")
		equal("to", value(relayed.OutboundParticipantSid, "outbound_participant_sid"), second)
	})
	perform("participants.delete", func() {
		done(api.DeleteParticipant(service, session, second))
		left := must(api.ListParticipant(service, session, nil))
		equal("participants", len(left), 1)
		equal("who is left", value(left[0].Sid, "sid"), first)
		recent("date_deleted", must(api.FetchParticipant(service, session, second)).DateDeleted)
	})
}

func textOf(data *string) string {
	var content struct{ Body string }
	done(json.Unmarshal([]byte(value(data, "data")), &content))
	return content.Body
}

func checkMessageInteractions(service, session, participant string) {
	const body = "Your order is on its way – ½ hour"
	var first, second string
	perform("message-interactions.create", func() {
		message := must(api.CreateMessageInteraction(service, session, participant,
			(&proxy.CreateMessageInteractionParams{}).SetBody(body)))
		first = value(message.Sid, "sid")
		matches("sid", first, "^KI[0-9a-f]{32}$")
		equal("type", value(message.Type, "type"), "message")
		equal("body", textOf(message.Data), body)
		equal("participant_sid", value(message.ParticipantSid, "participant_sid"), participant)
		equal("outbound_participant_sid", value(message.OutboundParticipantSid, "outbound_participant_sid"), participant)
		equal("outbound_resource_type", value(message.OutboundResourceType, "outbound_resource_type"), "message")
		null("inbound_participant_sid", message.InboundParticipantSid)
		null("inbound_resource_status", message.InboundResourceStatus)
		recent("date_created", message.DateCreated)
		started := must(api.FetchSession(service, session))
		equal("status", value(started.Status, "status"), "in-progress")
		recent("date_started", started.DateStarted)
		recent("date_last_interaction", started.DateLastInteraction)
		another := must(api.CreateMessageInteraction(service, session, participant,
			(&proxy.CreateMessageInteractionParams{}).SetBody("Second")))
		second = value(another.Sid, "sid")
	})
	perform("message-interactions.fetch", func() {
		message := must(api.FetchMessageInteraction(service, session, participant, first))
		equal("body", textOf(message.Data), body)
	})
	perform("message-interactions.list", func() {
		stream := collect(func(message proxy.ProxyV1MessageInteraction) *string { return message.Sid })
		one := (&proxy.ListMessageInteractionParams{}).SetPageSize(1)
		equal("listed", stream(api.StreamMessageInteraction(service, session, participant, one)), []string{first, second})
	})
	perform("interactions.fetch", func() {
		interaction := must(api.FetchInteraction(service, session, first))
		equal("type", value(interaction.Type, "type"), "message")
		equal("outbound_participant_sid", value(interaction.OutboundParticipantSid, "outbound_participant_sid"), participant)
		equal("body", textOf(interaction.Data), body)
	})
	perform("interactions.list", func() {
		stream := collect(func(interaction proxy.ProxyV1Interaction) *string { return interaction.Sid })
		one := (&proxy.ListInteractionParams{}).SetPageSize(1)
		equal("listed", stream(api.StreamInteraction(service, session, one)), []string{first, second})
	})
	perform("interactions.delete", func() {
		done(api.DeleteInteraction(service, session, first))
		equal("interactions", len(must(api.ListInteraction(service, session, nil))), 1)
		_, err := api.FetchInteraction(service, session, first)
		refused(err, 404, 20404, "was not found")
	})
}

func checkClosing(service, session string) {
	perform("sessions.close", func() {
		closed := must(api.UpdateSession(service, session, (&proxy.UpdateSessionParams{}).SetStatus("closed")))
		equal("status", value(closed.Status, "status"), "closed")
		equal("closed_reason", value(closed.ClosedReason, "closed_reason"), "api")
		recent("date_ended", closed.DateEnded)
	})
	perform("errors.closed-session", func() {
		_, err := api.CreateParticipant(service, session, (&proxy.CreateParticipantParams{}).SetIdentifier(nextPerson()))
		refused(err, 400, 80607, "closed")
	})
	perform("sessions.reopen", func() {
		opened := must(api.UpdateSession(service, session, (&proxy.UpdateSessionParams{}).SetStatus("in-progress")))
		equal("status", value(opened.Status, "status"), "in-progress")
		null("closed_reason", opened.ClosedReason)
		null("date_ended", opened.DateEnded)
	})
	perform("sessions.delete", func() {
		done(api.DeleteSession(service, session))
		_, err := api.FetchSession(service, session)
		refused(err, 404, 20404, "was not found")
	})
}
