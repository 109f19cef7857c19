// node: net sockets.
import net from "node:net";
import { listenHere } from "./common.mjs";

const upper = Uint8Array.from({ length: 256 }, (_, i) => (i >= 97 && i <= 122 ? i - 32 : i));
const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on("data", (chunk) => {
    for (let i = 0; i < chunk.length; i++) chunk[i] = upper[chunk[i]];
    socket.write(chunk);
  });
  socket.on("error", () => {});
});
listenHere(server, "node, echo");
