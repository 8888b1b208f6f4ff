package fetch

// forPages is what helps where pages are read and no plugin answers, nil where that is the same.
func (d diagnosis) forPages() []string {
	switch d.symptom {
	case ServerError:
		return []string{"Look into the error log of the site; what was updated last is the first suspect.", openSite, byItself}
	case Timeout:
		return []string{
			"Open the site in a browser and see how long a page takes.",
			"If it is always slow, ask whoever hosts it for more processes or memory; memberintel waits longer by itself.",
		}
	case TooLarge:
		return []string{"Look whether the address leads to a page, and not to a file or a stream."}
	case Challenge:
		return []string{
			"At Cloudflare: Security, WAF, add a rule that skips the challenge where the user agent contains " + Robot + ".",
			"Elsewhere: except " + Robot + " from the bot protection.",
			"If \"Under Attack Mode\" is on only for now, nothing needs to be done.",
		}
	case Firewall:
		return []string{"Tell the firewall or security plugin to let " + Robot + " through, which is its user agent, or its address."}
	case SignIn:
		return []string{
			"Look whether the whole site is locked, as a staging site often is.",
			"Take the lock off, or connect the public site instead.",
		}
	case TooMany:
		return []string{
			"Nothing needs to be done: the pages are read more slowly.", "If it stays, raise the limit for " + Robot + " in the firewall or at the host.",
		}
	case NotFound:
		return []string{"Open the address in a browser and see whether the page is there.", "If the site has another address now, connect again with that one."}
	case RequestRefused:
		return []string{"Open the address in a browser. If it works there, ask whoever hosts the site what refuses the requests of " + Robot + "."}
	default:
		return nil
	}
}
