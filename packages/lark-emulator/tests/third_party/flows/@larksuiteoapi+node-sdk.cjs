const lark = require("@larksuiteoapi/node-sdk");

const client = new lark.Client({
  appId: process.env.APP_ID, appSecret: process.env.APP_SECRET, domain: process.env.LARK,
});
(async () => {
  const sent = await client.im.message.create({
    params: { receive_id_type: "chat_id" },
    data: { receive_id: process.env.CHAT_ID, msg_type: "text", content: JSON.stringify({ text: "flow" }) },
  });
  if (sent.code !== 0) throw new Error(sent.msg);
  const read = await client.im.message.get({ path: { message_id: sent.data.message_id } });
  if (JSON.parse(read.data.items[0].body.content).text !== "flow") throw new Error("another text");
})();
