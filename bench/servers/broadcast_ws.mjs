// node ws broadcast: every text message goes to all clients. Finds `ws` where the web page's
// packages are.
import http from "node:http";
import { createRequire } from "node:module";
import { listenHere } from "./common.mjs";

const { WebSocket, WebSocketServer } = createRequire(
  new URL("../../web/package.json", import.meta.url),
)("ws");

const server = http.createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket) => {
  socket.on("message", (message) => {
    for (const each of sockets.clients) {
      if (each.readyState === WebSocket.OPEN) each.send(message, { binary: false });
    }
  });
  socket.on("error", () => {});
});
listenHere(server, "node ws, broadcast");
