#!/usr/bin/env bash
# Plain curl, as in the vendor's documentation: form parameters in, JSON out, jq to look at it. What differs from a
# script written for the vendor is BASE. The only client here that still does short codes.
set -uo pipefail

BASE="${CONFORMANCE_BASE_URL:?}/v1"
ACCOUNT="${CONFORMANCE_ACCOUNT_SID:?}"
TOKEN="${CONFORMANCE_AUTH_TOKEN:?}"
IFS=, read -ra NUMBERS <<<"${CONFORMANCE_NUMBERS:?}"
SHORT_CODE="${CONFORMANCE_SHORT_CODE_SID:?}"
VERSION=$(curl --version | awk 'NR == 1 { print $2 }')
RUN="curl-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')"
FAILED=0
PERSON=0
DETAIL=''
STATUS='' BODY=''
# What operations leave for later ones; empty when they failed.
SETTINGS='' FIRST='' SECOND='' SESSION='' ALICE='' ALICE_NUMBER='' BOB='' SENT='' ALSO_SENT=''

# call METHOD PATH [curl arguments…]: sets STATUS and BODY.
call() {
  local method=$1 path=$2 answer
  shift 2
  answer=$(curl --silent --show-error --max-time 30 --user "$ACCOUNT:$TOKEN" --request "$method" \
    --write-out '\n%{http_code}' "$@" "$BASE$path" 2>&1) || true
  STATUS=${answer##*$'\n'} BODY=${answer%$'\n'*}
}

fail() {
  DETAIL=${DETAIL:-$*}
  return 1
}

# expect STATUS [jq filter [jq arguments…]]: the filter must come out true.
expect() {
  local wanted=$1 filter=${2:-}
  [ "$STATUS" = "$wanted" ] || fail "status $STATUS instead of $wanted: $BODY" || return 1
  [ -z "$filter" ] && return 0
  jq --exit-status "${@:3}" "$filter" <<<"$BODY" >/dev/null || fail "not so: $filter in $BODY"
}

expect_empty() {
  expect 204 && { [ -z "$BODY" ] || fail "a body: $BODY"; }
}

# expect_refusal STATUS CODE REGEX
expect_refusal() {
  expect "$1" '.status == $status and .code == $code and (.message | test($text; "i"))
    and (.more_info | test("^https://.*/\($code)$")) and (keys == ["code", "message", "more_info", "status"])' \
    --argjson status "$1" --argjson code "$2" --arg text "$3"
}

# A moment of just now, in the one form the vendor writes.
RECENT='def recent: test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$") and (fromdate - now | fabs) < 60;'

get() { jq --raw-output "$1" <<<"$BODY"; }

next_person() {
  printf -v REPLY '+120255501%02d' "$PERSON"
  PERSON=$((PERSON + 1))
}

# perform OPERATION FUNCTION: prints a line; a failed operation does not stop those that follow.
perform() {
  DETAIL=''
  if "$2"; then
    jq -cn --arg v "$VERSION" --arg o "$1" '{client: "curl", version: $v, operation: $o, ok: true}'
  else
    FAILED=1
    jq -cn --arg v "$VERSION" --arg o "$1" --arg d "$DETAIL" \
      '{client: "curl", version: $v, operation: $o, ok: false, detail: $d}'
  fi
}

# walk PATH KEY: follows next_page_url from page to page; sets SIDS.
walk() {
  local url="$BASE$1" key=$2 answer
  SIDS=()
  while [ "$url" != null ]; do
    answer=$(curl --silent --fail --max-time 30 --user "$ACCOUNT:$TOKEN" "$url") || { fail "cannot get $url"; return 1; }
    jq --exit-status --arg key "$key" '.meta.key == $key and (.meta | keys | length == 7)' <<<"$answer" >/dev/null ||
      { fail "meta of $url: $answer"; return 1; }
    mapfile -t -O "${#SIDS[@]}" SIDS < <(jq --raw-output --arg key "$key" '.[$key][].sid' <<<"$answer")
    url=$(jq --raw-output .meta.next_page_url <<<"$answer")
  done
}

expect_sids() {
  [ "${SIDS[*]}" = "$*" ] || fail "listed ${SIDS[*]} instead of $*"
}

source "$(dirname "$0")/services.sh"
source "$(dirname "$0")/sessions.sh"

check_services
call POST /Services --data-urlencode "UniqueName=$RUN-orders"
SERVICE="/Services/$(get .sid)"
check_phone_numbers
check_short_codes
check_sessions
check_participants
check_interactions
check_closing
call DELETE "$SERVICE"
exit "$FAILED"
