// Go broadcast: a reader and a writer goroutine per connection; a receiver's lines are collected
// while its writer is busy, and leave in one write.
package main

import (
	"bytes"
	"net"
	"sync"
)

type client struct {
	connection net.Conn
	lock       sync.Mutex
	queued     []byte
	wake       chan struct{}
}

var (
	lock sync.Mutex
	room = map[*client]struct{}{}
)

func (c *client) deliver(lines []byte) {
	c.lock.Lock()
	c.queued = append(c.queued, lines...)
	c.lock.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *client) write() {
	var writing []byte
	for range c.wake {
		c.lock.Lock()
		writing, c.queued = c.queued, writing[:0]
		c.lock.Unlock()
		if _, err := c.connection.Write(writing); err != nil {
			return
		}
	}
}

func (c *client) read() {
	buffer, used := make([]byte, 1024), 0
	for {
		n, err := c.connection.Read(buffer[used:])
		if err != nil {
			break
		}
		used += n
		if end := bytes.LastIndexByte(buffer[:used], '\n') + 1; end > 0 {
			lock.Lock()
			for each := range room {
				each.deliver(buffer[:end])
			}
			lock.Unlock()
			used = copy(buffer, buffer[end:used])
		}
		if used == len(buffer) {
			if used > 65536 {
				break
			}
			buffer = append(buffer, make([]byte, used)...)
		}
	}
	lock.Lock()
	delete(room, c)
	lock.Unlock()
	c.connection.Close()
	close(c.wake)
}

func main() {
	listener := listenHere("Go, broadcast")
	for {
		connection, err := listener.Accept()
		if err != nil {
			continue
		}
		c := &client{connection: connection, wake: make(chan struct{}, 1)}
		lock.Lock()
		room[c] = struct{}{}
		lock.Unlock()
		go c.read()
		go c.write()
	}
}
