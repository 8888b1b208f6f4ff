// Package memberpress brings a WordPress site that runs MemberPress into the warehouse. The site's plugin
// answers over HTTP, as docs/protocol.md says.
//
// Quirks of the source. Identity: ids are whole numbers, unique within an entity and a site; a site that was
// copied shows the same ones, which is why a site has an id of its own. Order: changes are numbered by the site,
// and the highest number of a row counts. Mutability: everything changes and no row says when; the plugin
// compares hashes, so plain SQL is found too, at the latest with the next round of its sweep. Deletes: rows
// vanish without a trace in MemberPress, and the plugin keeps tombstones for 90 days; a deleted member leaves
// transactions without one. Epoch: when it is another one (backup restored, tables made anew, connected anew),
// all that was read before no longer counts. Clock: MemberPress stores UTC; access ends by the clock with no row
// written. Money: no row knows its currency, which is a setting of the site. Limits: a page is at most 2000
// rows, 8 seconds and half of PHP's free memory, so it may be shorter than asked for. Trust: proxies, caches,
// firewalls and parking services answer in the site's place, so nothing of an answer is read before its
// signature is found right. Version: the plugin speaks protocol 1; a field or protocol that is not known here
// is refused.
package memberpress
