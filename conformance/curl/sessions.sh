# shellcheck shell=bash
check_sessions() {
  perform sessions.create create_session
  perform sessions.create-with-participants create_with_participants
  perform sessions.fetch fetch_session
  perform sessions.fetch-by-name fetch_session_by_name
  perform sessions.list list_sessions
  perform sessions.update update_session
  perform errors.duplicate-name duplicate_name
}

create_session() {
  call POST "$SERVICE/Sessions" --data-urlencode "UniqueName=$RUN-order-1" --data Ttl=600 --data Mode=message-only
  SESSION="$SERVICE/Sessions/$(get .sid)"
  expect 201 "$RECENT"'(.sid | test("^KC[0-9a-f]{32}$")) and .unique_name == $name and .status == "open" and .ttl == 600
    and .mode == "message-only" and .account_sid == $account and .url == "\($base)/\(.sid)"
    and ([.date_started, .date_ended, .date_last_interaction, .date_expiry, .closed_reason] | all(. == null))
    and .links == { interactions: "\(.url)/Interactions", participants: "\(.url)/Participants" }
    and (.date_created | recent)' --arg name "$RUN-order-1" --arg account "$ACCOUNT" --arg base "$BASE$SERVICE/Sessions"
}

create_with_participants() {
  local alice bob
  next_person; alice=$REPLY
  next_person; bob=$REPLY
  call POST "$SERVICE/Sessions" \
    --data-urlencode "Participants={\"Identifier\":\"$alice\",\"FriendlyName\":\"Alice\"}" \
    --data-urlencode "Participants={\"Identifier\":\"$bob\",\"ProxyIdentifier\":\"${NUMBERS[0]}\"}"
  expect 201 '.mode == "voice-and-message"' || return 1
  call GET "$SERVICE/Sessions/$(get .sid)/Participants"
  expect 200 '(.participants | length == 2) and (.participants | any(.identifier == $alice and .friendly_name == "Alice"))
    and (.participants | any(.identifier == $bob and .proxy_identifier == $number))' \
    --arg alice "$alice" --arg bob "$bob" --arg number "${NUMBERS[0]}" || return 1
  call GET "$SERVICE/PhoneNumbers/$FIRST"
  expect 200 '.in_use == 1'
}

fetch_session() {
  call GET "$SESSION"
  expect 200 '.sid == $sid and .status == "open"' --arg sid "${SESSION##*/}"
}

fetch_session_by_name() {
  call GET "$SERVICE/Sessions/$RUN-order-1"
  expect 200 '.sid == $sid' --arg sid "${SESSION##*/}"
}

list_sessions() {
  for _ in 1 2 3; do call POST "$SERVICE/Sessions"; done
  walk "$SERVICE/Sessions?PageSize=2" sessions || return 1
  [ "${#SIDS[@]}" = 5 ] || fail "${#SIDS[@]} sessions instead of 5" || return 1
  [ "${SIDS[0]}" = "${SESSION##*/}" ] || fail "the first is ${SIDS[0]}" || return 1
  [ "${SIDS[*]}" = "$(printf '%s\n' "${SIDS[@]}" | sort -u | paste -sd ' ')" ] || fail "out of order: ${SIDS[*]}"
}

update_session() {
  local tomorrow
  tomorrow=$(jq -rn 'now + 86400 | floor | todate')
  call POST "$SESSION" --data-urlencode "DateExpiry=$tomorrow" --data Ttl=1200
  expect 200 '.ttl == 1200 and .date_expiry == $tomorrow' --arg tomorrow "$tomorrow"
}

duplicate_name() {
  call POST "$SERVICE/Sessions" --data-urlencode "UniqueName=$RUN-order-1"
  expect_refusal 400 80603 unique
}

check_participants() {
  next_person; ALICE_NUMBER=$REPLY
  perform participants.create create_participants
  perform participants.fetch fetch_participant
  perform participants.list list_participants
  perform errors.third-participant third_participant
}

create_participants() {
  call POST "$SESSION/Participants" --data-urlencode "Identifier=$ALICE_NUMBER" --data-urlencode FriendlyName=Zoë
  ALICE="$SESSION/Participants/$(get .sid)"
  expect 201 '(.sid | test("^KP[0-9a-f]{32}$")) and .identifier == $alice and .friendly_name == "Zoë"
    and (.proxy_identifier | IN($numbers | split(",")[])) and (.proxy_identifier_sid | test("^PN[0-9a-f]{32}$"))
    and .date_deleted == null and .links == { message_interactions: "\(.url)/MessageInteractions" }' \
    --arg alice "$ALICE_NUMBER" --arg numbers "$CONFORMANCE_NUMBERS" || return 1
  next_person
  call POST "$SESSION/Participants" --data-urlencode "Identifier=$REPLY" --data-urlencode "ProxyIdentifier=${NUMBERS[1]}"
  BOB="$SESSION/Participants/$(get .sid)"
  expect 201 '.proxy_identifier == $number' --arg number "${NUMBERS[1]}"
}

fetch_participant() {
  call GET "$ALICE"
  expect 200 '.identifier == $alice' --arg alice "$ALICE_NUMBER"
}

list_participants() {
  walk "$SESSION/Participants?PageSize=1" participants || return 1
  [ "$(printf '%s\n' "${SIDS[@]}" | sort)" = "$(printf '%s\n' "${ALICE##*/}" "${BOB##*/}" | sort)" ] ||
    fail "listed ${SIDS[*]}"
}

third_participant() {
  next_person
  call POST "$SESSION/Participants" --data-urlencode "Identifier=$REPLY"
  expect_refusal 400 80609 participants
}

check_interactions() {
  MESSAGE='Your order is on its way – ½ hour'
  perform message-interactions.create create_messages
  perform message-interactions.fetch fetch_message
  perform message-interactions.list list_messages
  perform interactions.fetch fetch_interaction
  perform interactions.list list_interactions
  perform interactions.delete delete_interaction
  perform interactions.relayed relay_message
  perform participants.delete delete_participant
}

create_messages() {
  call POST "$ALICE/MessageInteractions" --data-urlencode "Body=$MESSAGE"
  SENT=$(get .sid)
  expect 200 "$RECENT"'(.sid | test("^KI[0-9a-f]{32}$")) and .type == "message" and (.data | fromjson == { body: $text })
    and .participant_sid == $alice and .outbound_participant_sid == $alice and .outbound_resource_type == "message"
    and ([.inbound_participant_sid, .inbound_resource_sid, .inbound_resource_status, .inbound_resource_type,
          .inbound_resource_url] | all(. == null)) and (.date_created | recent)' \
    --arg text "$MESSAGE" --arg alice "${ALICE##*/}" || return 1
  call GET "$SESSION"
  expect 200 "$RECENT"'.status == "in-progress" and (.date_started | recent) and (.date_last_interaction | recent)' ||
    return 1
  call POST "$ALICE/MessageInteractions" --data-urlencode Body=Second
  ALSO_SENT=$(get .sid)
  expect 200
}

fetch_message() {
  call GET "$ALICE/MessageInteractions/$SENT"
  expect 200 '.sid == $sid and (.data | fromjson == { body: $text })' --arg sid "$SENT" --arg text "$MESSAGE"
}

list_messages() {
  walk "$ALICE/MessageInteractions?PageSize=1" interactions && expect_sids "$SENT" "$ALSO_SENT"
}

fetch_interaction() {
  call GET "$SESSION/Interactions/$SENT"
  expect 200 '.type == "message" and .outbound_participant_sid == $alice and (has("participant_sid") | not)
    and (.data | fromjson == { body: $text })' --arg alice "${ALICE##*/}" --arg text "$MESSAGE"
}

list_interactions() {
  walk "$SESSION/Interactions?PageSize=1" interactions && expect_sids "$SENT" "$ALSO_SENT"
}

delete_interaction() {
  call DELETE "$SESSION/Interactions/$SENT"
  expect_empty || return 1
  walk "$SESSION/Interactions" interactions && expect_sids "$ALSO_SENT" || return 1
  call GET "$SESSION/Interactions/$SENT"
  expect_refusal 404 20404 'was not found'
}

# A text that arrives is not one of the API's own calls: it is sent from a person's simulated handset.
relay_message() {
  local text
  call GET "$ALICE"
  text=$(jq -cn --arg from "$ALICE_NUMBER" --arg to "$(get .proxy_identifier)" \
    '{ from: $from, to: $to, body: "Where are you?" }')
  curl --silent --fail --max-time 30 --user "$ACCOUNT:$TOKEN" --header 'content-type: application/json' \
    --output /dev/null --data "$text" "${BASE%/v1}/simulator/messages" || fail 'the handset cannot text' || return 1
  for _ in {1..50}; do
    call GET "$SESSION/Interactions"
    expect 200 || return 1
    BODY=$(jq --arg alice "${ALICE##*/}" '.interactions[] | select(.inbound_participant_sid == $alice)' <<<"$BODY")
    [ -n "$BODY" ] && break
    sleep 0.1
  done
  expect 200 '.type == "message" and (.data | fromjson == { body: "Where are you?" })
    and .inbound_resource_status == "delivered" and (.inbound_resource_sid | test("^SM[0-9a-f]{32}$"))
    and .inbound_resource_type == "message" and .outbound_participant_sid == $bob' --arg bob "${BOB##*/}"
}

delete_participant() {
  call DELETE "$BOB"
  expect_empty || return 1
  walk "$SESSION/Participants" participants && expect_sids "${ALICE##*/}" || return 1
  call GET "$BOB"
  expect 200 "$RECENT.date_deleted | recent"
}

check_closing() {
  perform sessions.close close_session
  perform errors.closed-session add_to_closed
  perform sessions.reopen reopen_session
  perform sessions.delete delete_session
}

close_session() {
  call POST "$SESSION" --data Status=closed
  expect 200 "$RECENT"'.status == "closed" and .closed_reason == "api" and (.date_ended | recent)'
}

add_to_closed() {
  next_person
  call POST "$SESSION/Participants" --data-urlencode "Identifier=$REPLY"
  expect_refusal 400 80607 closed
}

reopen_session() {
  call POST "$SESSION" --data Status=in-progress
  expect 200 '.status == "in-progress" and .closed_reason == null and .date_ended == null'
}

delete_session() {
  call DELETE "$SESSION"
  expect_empty || return 1
  call GET "$SESSION"
  expect_refusal 404 20404 'was not found'
}
