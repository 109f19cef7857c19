// node broadcast: whole lines of a chunk go to all clients in one write.
import net from "node:net";
import { listenHere } from "./common.mjs";

const room = new Set();
const server = net.createServer({ noDelay: true }, (socket) => {
  let partial = Buffer.alloc(0);
  room.add(socket);
  socket.on("data", (chunk) => {
    const bytes = partial.length > 0 ? Buffer.concat([partial, chunk]) : chunk;
    const end = bytes.lastIndexOf(10) + 1;
    partial = bytes.subarray(end);
    if (partial.length > 65536) socket.destroy();
    if (end === 0) return;
    const lines = bytes.subarray(0, end);
    for (const each of room) each.write(lines);
  });
  socket.on("error", () => {});
  socket.on("close", () => room.delete(socket));
});
listenHere(server, "node, broadcast");
