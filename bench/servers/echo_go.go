// Go: one goroutine per connection; its buffer grows with what arrives.
package main

import "net"

func serve(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 1024)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		for i, b := range buffer[:n] {
			buffer[i] = upper[b]
		}
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
		if n == len(buffer) && n < 65536 {
			buffer = make([]byte, 2*n)
		}
	}
}

var upper [256]byte

func main() {
	for i := range upper {
		upper[i] = byte(i)
		if i >= 'a' && i <= 'z' {
			upper[i] = byte(i - 'a' + 'A')
		}
	}
	listener := listenHere("Go, echo")
	for {
		if connection, err := listener.Accept(); err == nil {
			go serve(connection)
		}
	}
}
