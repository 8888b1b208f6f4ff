package website

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"memberintel/internal/guard"
)

// messagePatience is how long one message may take: less than a reservation lasts.
const messagePatience = 8 * time.Minute

// errRedirected keeps the key from going along to another address.
var errRedirected = errors.New("the API's address redirects elsewhere")

// claudeClient asks Anthropic's API. It tries nothing twice: each try needs a reservation of its own, and the API has no keys
// by which it would know a request again. Neither key nor prompt gets into its errors. It is safe for concurrent use.
type claudeClient struct {
	api anthropic.Client
	key string
}

// newClaude makes a client of the key; an empty url means Anthropic's own.
func newClaude(url, key string) *claudeClient {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own
	transport.MaxIdleConnsPerHost = 16
	options := []option.RequestOption{
		option.WithoutEnvironmentDefaults(), option.WithoutOpenTelemetry(), option.WithMaxRetries(0), option.WithRequestTimeout(messagePatience),
		option.WithAPIKey(key),
		option.WithHTTPClient(&http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirected },
		}),
	}
	if url != "" {
		options = append(options, option.WithBaseURL(url))
	}
	return &claudeClient{api: anthropic.NewClient(options...), key: key}
}

// question is what is asked of Claude, with the shape that the answer is to have.
type question struct {
	Model     string
	System    string
	Text      string          // the user's turn
	Schema    json.RawMessage // JSON schema; the order of its properties is kept
	MaxTokens int64           // of the answer, thinking included
}

// params is the question on the wire, alone as well as in a batch.
func (q question) params() (json.RawMessage, error) {
	body, err := json.Marshal(struct {
		Model        string              `json:"model"`
		MaxTokens    int64               `json:"max_tokens"`
		System       string              `json:"system,omitempty"`
		Messages     []map[string]string `json:"messages"`
		OutputConfig map[string]any      `json:"output_config"`
	}{
		q.Model, q.MaxTokens, q.System, []map[string]string{{"role": "user", "content": q.Text}},
		map[string]any{"format": map[string]any{"type": "json_schema", "schema": q.Schema}},
	})
	if err != nil {
		return nil, fmt.Errorf("website: put the question: %w", err)
	}
	return body, nil
}

// most is the most that the question can come to: no token is shorter than a byte, and what the API adds is little.
func (q question) most() (input, output int64) {
	const added = 2_000
	return int64(len(q.System)+len(q.Text)+len(q.Schema)) + added, q.MaxTokens
}

// answer is what came of a question. Stop is to be looked at before Text is read: a refusal is an answer too.
type answer struct {
	Text      string // of the text blocks; what Claude thought ahead of them is left out
	Stop      string
	Model     string
	Usage     guard.Usage
	RequestID string // of one in a batch, which has no request of its own: the message's
}

// whole reports whether Claude said all that it had to say.
func (a answer) whole() bool { return a.Stop == string(anthropic.StopReasonEndTurn) && a.Text != "" }

// refused reports whether Claude would not answer; asking again would not help.
func (a answer) refused() bool { return a.Stop == string(anthropic.StopReasonRefusal) }

// answered is what the ledger of calls keeps of it.
func (a answer) answered(ends bool) guard.Answered {
	return guard.Answered{Usage: a.Usage, Ends: ends, StopReason: a.Stop, RequestID: a.RequestID}
}

// ask puts one question and waits for the answer. The error is a *callError.
func (c *claudeClient) ask(ctx context.Context, q question) (answer, error) {
	body, err := q.params()
	if err != nil {
		return answer{}, err
	}
	sent, ctx := watchSending(ctx)
	var response *http.Response
	message, err := c.api.Messages.New(ctx, param.Override[anthropic.MessageNewParams](body), option.WithResponseInto(&response))
	if err != nil {
		return answer{}, c.failed(err, sent.Load())
	}
	if !tells(*message) {
		return answer{}, c.failed(errors.New("the answer has no stop_reason, or no usage that can be true"), true)
	}
	a := answerOf(*message)
	a.RequestID = response.Header.Get("Request-Id")
	return a, nil
}

// mostUsed is more tokens than any question or answer of ours comes to.
const mostUsed = 200_000

// tells reports whether an answer says why it ended and what it used. What cannot be true says nothing: settled as it stands,
// it would be free, or fill every cap until the month ends.
func tells(m anthropic.Message) bool {
	u, said := m.Usage, m.Usage.JSON
	used := [...]int64{u.InputTokens, u.CacheCreationInputTokens, u.CacheReadInputTokens, u.OutputTokens}
	return m.StopReason != "" && said.InputTokens.Valid() && said.OutputTokens.Valid() && slices.Min(used[:]) >= 0 && slices.Max(used[:]) <= mostUsed
}

// answerOf reads a message. What PostgreSQL stores nowhere is left out.
func answerOf(m anthropic.Message) answer {
	storable := func(text string) string { return strings.ReplaceAll(text, "\x00", "") }
	var text strings.Builder
	for _, block := range m.Content {
		if block.Type == "text" {
			text.WriteString(block.Text)
		}
	}
	return answer{
		Text: storable(text.String()), Stop: storable(string(m.StopReason)), Model: storable(m.Model), RequestID: storable(m.ID),
		Usage: guard.Usage{
			Input: m.Usage.InputTokens, CacheWrite: m.Usage.CacheCreationInputTokens, CacheRead: m.Usage.CacheReadInputTokens,
			Output: m.Usage.OutputTokens,
		},
	}
}

// watchSending tells whether anything of a request has left for the API.
func watchSending(ctx context.Context) (*atomic.Bool, context.Context) {
	sent := new(atomic.Bool)
	return sent, httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
}
