// A program with Lark's own address in it, which reaches the emulator as its proxy (Node.js 18 or later, no package).
//
//     lark-emulator --proxy --port 8765 &      # prints the file for NODE_EXTRA_CA_CERTS
//     HTTPS_PROXY=http://127.0.0.1:8765 NODE_EXTRA_CA_CERTS=…/authority.crt node through-proxy.mjs
import http from "node:http";
import https from "node:https";
import tls from "node:tls";

const proxy = new URL(process.env.HTTPS_PROXY);

// What packages such as undici's ProxyAgent or https-proxy-agent do: a tunnel, and TLS with Lark's name in it.
function tunnel(host) {
  return new Promise((resolve, reject) => {
    const connect = http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path: `${host}:443` });
    connect.on("connect", (answer, socket) => {
      if (answer.statusCode !== 200) reject(new Error(`the proxy answered ${answer.statusCode}`));
      else resolve(tls.connect({ socket, servername: host }));
    });
    connect.on("error", reject);
    connect.end();
  });
}

async function post(host, path, body) {
  const socket = await tunnel(host);
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json", Connection: "close" };
    const request = https.request({ host, path, method: "POST", headers, createConnection: () => socket });
    request.on("response", async (answer) => {
      let text = "";
      for await (const piece of answer) text += piece;
      resolve(JSON.parse(text));
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
}

for (const host of ["open.feishu.cn", "open.larksuite.com"]) {
  const login = await post(host, "/open-apis/auth/v3/tenant_access_token/internal", {
    app_id: "cli_1a2b3c4d5e6f0001",
    app_secret: "emulator-secret",
  });
  console.log(`${host}: ${login.msg}`);
}
