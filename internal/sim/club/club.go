// Package club is a club that sells its memberships on a MemberPress site, which takes the money through Stripe. The
// people of the site are those of the Stripe account: what happens there is written to the site too, with the same cus_,
// sub_ and ch_ ids, as MemberPress writes it when Stripe tells it. Each fifth customer joined at the desk, and the site
// does not know them; each third of those has an account on the site all the same, under the same e-mail address, which
// proves nothing. One in ten pays in cash, of whom Stripe knows nothing.
//
// Everything is deterministic from the seed, as long as the account's history is.
package club

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"memberintel/internal/sim/clock"
	"memberintel/internal/sim/memberpress"
	"memberintel/internal/sim/stripe"
)

// Board is where the club writes down its people: a simulated site, or a real WordPress. Put and Delete go through
// MemberPress; Slip goes past it, by plain SQL.
type Board interface {
	Put(rows ...memberpress.Row)
	Slip(rows ...memberpress.Row)
	Delete(entity string, ids ...int64)
}

// Gateway is what the site calls its Stripe account.
const Gateway = "rk3f9a-1c2"

const firstProduct = 51

// Club keeps a site and a Stripe account together. One goroutine at a time may call it.
type Club struct {
	account *stripe.Account
	board   Board
	clock   *clock.Clock
	rnd     *rand.Rand

	mark     uint64                              // up to where the account has been followed
	ids      map[string]int64                    // the site's ids of what Stripe knows, by entity and Stripe's id
	next     map[string]int64                    // the next id of an entity
	written  map[string]string                   // the rows as they stand on the board, by entity and id
	members  map[int64]memberpress.Member        // likewise
	order    []int64                             // the members, in the order in which they came
	cash     []int64                             // those of whom Stripe does not know
	paid     map[int64][]memberpress.Transaction // what those have paid
	invented int                                 // how many of those there ever were
}

// Open writes the account's people to the board, and those of whom the account does not know.
func Open(account *stripe.Account, board Board, c *clock.Clock, seed uint64) *Club {
	club := &Club{
		account: account, board: board, clock: c, rnd: rand.New(rand.NewPCG(seed, 0x636c7562)), //nolint:gosec // a story, and no secret
		ids: map[string]int64{}, written: map[string]string{}, members: map[int64]memberpress.Member{}, paid: map[int64][]memberpress.Transaction{},
		next: map[string]int64{"members": 101, "subscriptions": 701, "transactions": 5001, "products": firstProduct},
	}
	club.catalogue()
	club.Follow()
	for range max(2, account.Count("customers")/10) {
		club.joinInCash(club.now().AddDate(0, 0, -10-club.rnd.IntN(300)))
	}
	return club
}

// now is the second that the site would write into a row.
func (c *Club) now() time.Time { return c.clock.Now().UTC().Truncate(time.Second) }

// id is the site's id of something that Stripe knows, made at first sight.
func (c *Club) id(entity, of string) int64 {
	key := entity + " " + of
	id, known := c.ids[key]
	if !known {
		id = c.fresh(entity)
		c.ids[key] = id
	}
	return id
}

func (c *Club) fresh(entity string) int64 {
	id := c.next[entity]
	c.next[entity]++
	return id
}

// put writes a row unless it stands there already, and returns how many rows that were.
func (c *Club) put(entity string, id int64, row memberpress.Row) int {
	text, err := json.Marshal(row)
	if err != nil {
		panic("club: a row that is no JSON: " + err.Error()) // the club makes them itself
	}
	key := fmt.Sprint(entity, " ", id)
	if c.written[key] == string(text) {
		return 0
	}
	c.written[key] = string(text)
	c.board.Put(row)
	return 1
}

func (c *Club) putMember(m memberpress.Member) int {
	if _, known := c.members[m.ID]; !known {
		c.order = append(c.order, m.ID)
	}
	c.members[m.ID] = m
	return c.put("members", m.ID, m)
}
