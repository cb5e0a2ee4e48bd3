// A message, sent from Node.js (18 or later) without any package, and a call asserted by what was sent.
//
//     lark-emulator --port 8765 &
//     LARK_BASE_URL=http://127.0.0.1:8765 node send.mjs
import assert from "node:assert/strict";

const base = process.env.LARK_BASE_URL ?? "http://127.0.0.1:8765";

async function call(method, path, body, headers = {}) {
  const answer = await fetch(base + path, {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return answer.json();
}

const login = await call("POST", "/open-apis/auth/v3/tenant_access_token/internal", {
  app_id: process.env.LARK_APP_ID ?? "cli_1a2b3c4d5e6f0001",
  app_secret: process.env.LARK_APP_SECRET ?? "emulator-secret",
});
const authorization = { Authorization: `Bearer ${login.tenant_access_token}` };

const sent = await call(
  "POST",
  "/open-apis/im/v1/messages?receive_id_type=chat_id",
  {
    receive_id: "oc_emulator_data_team",
    msg_type: "text",
    content: JSON.stringify({ text: "hello from Node.js" }),
  },
  authorization,
);
assert.equal(sent.code, 0, sent.msg);

// What arrived: the request log holds bodies, and the state holds the message.
const log = await call("GET", "/_emulator/requests?method=POST&path=/open-apis/im/v1/messages");
assert.deepEqual(JSON.parse(JSON.parse(log.requests.at(-1).request).content), { text: "hello from Node.js" });
const state = await call("GET", "/_emulator/state?only=messages");
assert.equal(state.messages.at(-1).message_id, sent.data.message_id);
console.log(`sent ${sent.data.message_id}`);
