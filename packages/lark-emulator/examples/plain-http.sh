#!/bin/sh
# A message, sent with nothing but curl, and what the emulator says about it.
#
#     lark-emulator --port 8765 &
#     LARK_BASE_URL=http://127.0.0.1:8765 sh plain-http.sh
set -eu
base=${LARK_BASE_URL:-http://127.0.0.1:8765}

# 1. A token for the app that is there from the start.
token=$(curl -sS "$base/open-apis/auth/v3/tenant_access_token/internal" \
  -H 'Content-Type: application/json' \
  -d '{"app_id": "cli_1a2b3c4d5e6f0001", "app_secret": "emulator-secret"}' \
  | sed 's/.*"tenant_access_token":"\([^"]*\)".*/\1/')

# 2. A message to the group that is there from the start.
curl -sS "$base/open-apis/im/v1/messages?receive_id_type=chat_id" \
  -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
  -d '{"receive_id": "oc_emulator_data_team", "msg_type": "text", "content": "{\"text\": \"hello from curl\"}"}'
echo

# 3. An answer of our own: this calendar is not there.
curl -sS "$base/_emulator/stubs" -H 'Content-Type: application/json' -d '{
  "match": {"method": "GET", "path": "/open-apis/calendar/v4/calendars/:calendar_id"},
  "answer": {"json": {"code": 0, "data": {"calendar_id": "{{path.calendar_id}}", "summary": "On call"}}}
}' > /dev/null
curl -sS "$base/open-apis/calendar/v4/calendars/cal_1" -H "Authorization: Bearer $token"
echo

# 4. What arrived, with bodies.
curl -sS "$base/_emulator/requests?method=POST&path=/open-apis/im/v1/messages"
echo
