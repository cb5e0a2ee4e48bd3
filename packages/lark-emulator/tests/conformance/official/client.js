// An app on the official Node SDK's long connection, unchanged; see client.py for its argument. The second
// argument is the folder in which the SDK is installed.
"use strict";

const config = JSON.parse(process.argv[2]);
const lark = require(`${process.argv[3]}/node_modules/@larksuiteoapi/node-sdk`);
const firsts = config.first || [];

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const misbehave = async () => {
  const first = firsts.shift();
  if (first === "raise") throw new Error("the handler fails");
  if (first) await new Promise((resolve) => setTimeout(resolve, first * 1000));
};

const eventDispatcher = new lark.EventDispatcher({}).register({
  "im.message.receive_v1": async (data) => {
    say({ got: "event", event_id: data.event_id, content: data.message.content });
    await misbehave();
  },
  "card.action.trigger": async (data) => {
    say({ got: "click", event_id: data.event_id, value: data.action.value });
    await misbehave();
    return config.answer;
  },
});

const client = new lark.WSClient({
  appId: config.app_id,
  appSecret: config.secret,
  domain: config.base_url,
  loggerLevel: lark.LoggerLevel.fatal,
  onError: (error) => say({ error: error.message }),
});
client.start({ eventDispatcher });
