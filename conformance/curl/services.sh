# shellcheck shell=bash
check_services() {
  perform services.create create_service
  perform services.fetch fetch_service
  perform services.fetch-by-name fetch_service_by_name
  perform services.update update_service
  perform services.list list_services
  perform services.delete delete_service
  perform credentials.api-key use_api_key
  perform errors.not-found not_found
  perform errors.wrong-token wrong_token
}

create_service() {
  call POST /Services --data-urlencode "UniqueName=$RUN-settings" --data-urlencode DefaultTtl=3600 \
    --data-urlencode CallbackUrl=https://callbacks.example.com/interactions \
    --data-urlencode GeoMatchLevel=area-code --data-urlencode NumberSelectionBehavior=avoid-sticky
  SETTINGS=$(get .sid)
  expect 201 "$RECENT"'(.sid | test("^KS[0-9a-f]{32}$")) and .account_sid == $account and .unique_name == $name
    and .default_ttl == 3600 and .callback_url == "https://callbacks.example.com/interactions"
    and .geo_match_level == "area-code" and .number_selection_behavior == "avoid-sticky"
    and .intercept_callback_url == null and .out_of_session_callback_url == null and .chat_instance_sid == null
    and .url == "\($base)/Services/\(.sid)" and .links.sessions == "\(.url)/Sessions"
    and .links.phone_numbers == "\(.url)/PhoneNumbers" and (.date_created | recent) and .date_updated == .date_created' \
    --arg account "$ACCOUNT" --arg name "$RUN-settings" --arg base "$BASE"
}

fetch_service() {
  call GET "/Services/$SETTINGS"
  expect 200 '.sid == $sid and .default_ttl == 3600' --arg sid "$SETTINGS"
}

fetch_service_by_name() {
  call GET "/Services/$RUN-settings"
  expect 200 '.sid == $sid' --arg sid "$SETTINGS"
}

update_service() {
  call POST "/Services/$SETTINGS" --data-urlencode "UniqueName=$RUN-renamed" --data-urlencode DefaultTtl=60 \
    --data-urlencode CallbackUrl= --data-urlencode OutOfSessionCallbackUrl=https://callbacks.example.com/strangers
  expect 200 '.unique_name == $name and .default_ttl == 60 and .callback_url == null
    and .out_of_session_callback_url == "https://callbacks.example.com/strangers"' --arg name "$RUN-renamed" || return 1
  call POST "/Services/$SETTINGS"
  expect 200 '.geo_match_level == "area-code" and .unique_name == $name' --arg name "$RUN-renamed"
}

list_services() {
  local mine=("$SETTINGS") letter found=() sid
  for letter in a b c d; do
    call POST /Services --data-urlencode "UniqueName=$RUN-$letter"
    mine+=("$(get .sid)")
  done
  walk '/Services?PageSize=2' services || return 1
  for sid in "${SIDS[@]}"; do
    [[ " ${mine[*]} " = *" $sid "* ]] && found+=("$sid")
  done
  [ "${found[*]}" = "${mine[*]}" ] || fail "listed ${found[*]} instead of ${mine[*]}" || return 1
  call GET '/Services?PageSize=99999999'
  expect 200 '.meta.page_size == 100 and .meta.page == 0 and .meta.previous_page_url == null' || return 1
  call GET '/Services?PageSize=0'
  expect_refusal 400 20001 PageSize || return 1
  for sid in "${mine[@]:1}"; do call DELETE "/Services/$sid"; done
}

delete_service() {
  call DELETE "/Services/$SETTINGS"
  expect_empty || return 1
  call GET "/Services/$SETTINGS"
  expect_refusal 404 20404 'was not found'
}

use_api_key() {
  call POST /Services --user "$CONFORMANCE_API_KEY_SID:$CONFORMANCE_API_KEY_SECRET" --data-urlencode "UniqueName=$RUN-key"
  expect 201 '.account_sid == $account' --arg account "$ACCOUNT" || return 1
  call DELETE "/Services/$(get .sid)"
  expect_empty
}

not_found() {
  local nowhere=KS00000000000000000000000000000000
  call GET "/Services/$nowhere"
  expect_refusal 404 20404 "The requested resource /Services/$nowhere was not found"
}

wrong_token() {
  call GET /Services --user "$ACCOUNT:ffffffffffffffffffffffffffffffff"
  expect_refusal 401 20003 authenticat
}

check_phone_numbers() {
  perform phone-numbers.create-by-number create_by_number
  perform phone-numbers.fetch fetch_number
  perform phone-numbers.list list_numbers
  perform phone-numbers.update update_number
  perform phone-numbers.delete delete_number
  perform phone-numbers.create-by-sid create_by_sid
}

create_by_number() {
  call POST "$SERVICE/PhoneNumbers" --data-urlencode "PhoneNumber=${NUMBERS[0]}"
  FIRST=$(get .sid)
  expect 201 "$RECENT"'(.sid | test("^PN[0-9a-f]{32}$")) and .phone_number == $number and .iso_country == "US"
    and .is_reserved == false and .in_use == 0 and (.capabilities | .sms_inbound and .sms_outbound and .voice_inbound)
    and (.date_created | recent)' --arg number "${NUMBERS[0]}" || return 1
  call POST "$SERVICE/PhoneNumbers" --data-urlencode "PhoneNumber=${NUMBERS[1]}" --data IsReserved=true
  SECOND=$(get .sid)
  expect 201 '.is_reserved == true'
}

fetch_number() {
  call GET "$SERVICE/PhoneNumbers/$FIRST"
  expect 200 '.phone_number == $number' --arg number "${NUMBERS[0]}"
}

list_numbers() {
  walk "$SERVICE/PhoneNumbers?PageSize=1" phone_numbers || return 1
  [ "$(printf '%s\n' "${SIDS[@]}" | sort)" = "$(printf '%s\n' "$FIRST" "$SECOND" | sort)" ] || fail "listed ${SIDS[*]}"
}

update_number() {
  call POST "$SERVICE/PhoneNumbers/$SECOND" --data IsReserved=false
  expect 200 '.is_reserved == false' || return 1
  call POST "$SERVICE/PhoneNumbers/$SECOND"
  expect 200 '.is_reserved == false'
}

delete_number() {
  call DELETE "$SERVICE/PhoneNumbers/$SECOND"
  expect_empty || return 1
  call GET "$SERVICE/PhoneNumbers/$SECOND"
  expect_refusal 404 20404 'was not found'
}

create_by_sid() {
  call POST "$SERVICE/PhoneNumbers" --data-urlencode "Sid=$SECOND"
  expect 201 '.sid == $sid and .phone_number == $number' --arg sid "$SECOND" --arg number "${NUMBERS[1]}"
}

check_short_codes() {
  perform short-codes.create create_short_code
  perform short-codes.fetch fetch_short_code
  perform short-codes.list list_short_codes
  perform short-codes.update update_short_code
  perform short-codes.delete delete_short_code
}

create_short_code() {
  call POST "$SERVICE/ShortCodes" --data-urlencode "Sid=$SHORT_CODE"
  expect 201 '.sid == $sid and (.short_code | test("^[0-9]{3,8}$")) and .is_reserved == false and (has("in_use") | not)
    and .url == "\($base)/ShortCodes/\(.sid)"' --arg sid "$SHORT_CODE" --arg base "$BASE$SERVICE"
}

fetch_short_code() {
  call GET "$SERVICE/ShortCodes/$SHORT_CODE"
  expect 200 '.sid == $sid' --arg sid "$SHORT_CODE"
}

list_short_codes() {
  walk "$SERVICE/ShortCodes?PageSize=1" short_codes && expect_sids "$SHORT_CODE"
}

update_short_code() {
  call POST "$SERVICE/ShortCodes/$SHORT_CODE" --data IsReserved=true
  expect 200 '.is_reserved == true'
}

delete_short_code() {
  call DELETE "$SERVICE/ShortCodes/$SHORT_CODE"
  expect_empty || return 1
  call GET "$SERVICE/ShortCodes/$SHORT_CODE"
  expect_refusal 404 20404 'was not found'
}
