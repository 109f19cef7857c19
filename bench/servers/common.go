// What the Go servers share: one thread, the command line `SERVER [PORT]` and the listening socket.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
)

func listenHere(name string) net.Listener {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	if strings.HasPrefix(port, "-") {
		fmt.Printf("%s [PORT]: serves 127.0.0.1; without PORT any free one.\nExample: %s 8080\n",
			os.Args[0], os.Args[0])
		os.Exit(0)
	}
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s (%s)\n", listener.Addr(), name)
	return listener
}
