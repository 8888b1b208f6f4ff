package site

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// Names is a name server. Whoever asks through its Resolver gets its answers over the DNS protocol, and the
// machine's name servers are not asked. A name that it does not know does not exist. It is safe for
// concurrent use.
type Names struct {
	mu        sync.Mutex
	addresses map[string][][]netip.Addr // the answers to come, the last of which stays
}

// NewNames makes a name server that knows nothing.
func NewNames() *Names { return &Names{addresses: map[string][][]netip.Addr{}} }

// Set makes the name lead to the addresses.
func (n *Names) Set(name string, addresses ...netip.Addr) { n.Rebind(name, addresses) }

// Rebind makes the name lead somewhere else each time that it is asked for, and at last to the last of the places.
func (n *Names) Rebind(name string, places ...[]netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses[name] = places
}

// Forget makes the name one that does not exist.
func (n *Names) Forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.addresses, name)
}

// Resolver asks the name server.
func (n *Names) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		asker, server := net.Pipe()
		go n.serve(server)
		return asker, nil
	}}
}

// serve answers one connection as a name server does over TCP: each message behind its length.
func (n *Names) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := n.reply(query)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

const (
	headerSize = 12
	typeA      = 1
	typeAAAA   = 28
	classIN    = 1
)

// reply answers the one question of a query (RFC 1035).
func (n *Names) reply(query []byte) []byte {
	name, end := question(query)
	kind := binary.BigEndian.Uint16(query[end:])
	addresses, known := n.answer(name, kind)
	flags := uint16(0x8180) // an answer, recursion asked for and there
	if !known {
		flags |= 3 // no such name
	}
	reply := append([]byte{}, query[:2]...)
	reply = binary.BigEndian.AppendUint16(reply, flags)
	reply = binary.BigEndian.AppendUint16(reply, 1)
	reply = binary.BigEndian.AppendUint16(reply, uint16(len(addresses)))
	reply = append(reply, 0, 0, 0, 0)
	reply = append(reply, query[headerSize:end+4]...)
	for _, address := range addresses {
		reply = append(reply, 0xc0, headerSize) // the name of the question
		reply = binary.BigEndian.AppendUint16(reply, kind)
		reply = binary.BigEndian.AppendUint16(reply, classIN)
		reply = append(reply, 0, 0, 0, 0, 0, byte(address.BitLen()/8)) // good for no time
		reply = append(reply, address.AsSlice()...)
	}
	return reply
}

// answer returns the name's addresses of one kind. A client asks for both kinds at once: the question for the
// older one counts as a time.
func (n *Names) answer(name string, kind uint16) (addresses []netip.Addr, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	places, known := n.addresses[name]
	if !known {
		return nil, false
	}
	for _, address := range places[0] {
		if address.Is4() && kind == typeA || !address.Is4() && kind == typeAAAA {
			addresses = append(addresses, address)
		}
	}
	if kind == typeA && len(places) > 1 {
		n.addresses[name] = places[1:]
	}
	return addresses, true
}

// question reads the name that is asked for, and where it ends.
func question(query []byte) (name string, end int) {
	var labels []string
	at := headerSize
	for query[at] != 0 {
		length := int(query[at])
		labels = append(labels, string(query[at+1:at+1+length]))
		at += 1 + length
	}
	return strings.ToLower(strings.Join(labels, ".")), at + 1
}
