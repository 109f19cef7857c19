// What the node servers share: the command line `SERVER [PORT]` and the ready line.
export function listenHere(server, name) {
  const port = process.argv[2] ?? "0";
  if (port.startsWith("-")) {
    console.log("SERVER [PORT]: serves 127.0.0.1; without PORT any free one.");
    console.log("Example: node echo_node.mjs 8080");
    process.exit(0);
  }
  server.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 }, () => {
    console.log(`listening on 127.0.0.1:${server.address().port} (${name})`);
  });
}
