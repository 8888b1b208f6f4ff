package website

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"
)

// batchPatience is how long sending a batch or fetching its results may take.
const batchPatience = 20 * time.Minute

// batched is a question in a batch. The custom id is what its result is known by.
type batched struct {
	CustomID string
	Params   json.RawMessage
}

// claudeBatch is a batch as the API shows it.
type claudeBatch struct {
	ID        string
	Ended     bool
	Questions int64
	CreatedAt time.Time
}

// result is a line of a batch's results. Those that did not succeed have cost nothing.
type result struct {
	CustomID string
	Answer   answer // when it succeeded
	Outcome  string // succeeded, errored, canceled, expired
	Detail   string // of errored: the type and what the API said
	Raw      json.RawMessage
}

// create sends a batch. When the answer is lost, the error is not Free, and the batch may be there all the same.
func (c *claudeClient) create(ctx context.Context, questions []batched) (claudeBatch, error) {
	var p anthropic.MessageBatchNewParams
	for _, q := range questions {
		p.Requests = append(p.Requests, anthropic.MessageBatchNewParamsRequest{
			CustomID: q.CustomID, Params: param.Override[anthropic.MessageBatchNewParamsRequestParams](q.Params),
		})
	}
	sent, ctx := watchSending(ctx)
	b, err := c.api.Messages.Batches.New(ctx, p, option.WithRequestTimeout(batchPatience))
	if err != nil {
		failed := c.failed(err, sent.Load())
		if failed.Status >= http.StatusInternalServerError && failed.Status != overloaded {
			failed.Free = false // whatever broke may have broken after the batch was there
		}
		return claudeBatch{}, failed
	}
	if b.ID == "" {
		return claudeBatch{}, c.failed(errors.New("the answer has no id"), true)
	}
	return batchOf(*b), nil
}

// since lists the batches that were created at that time or later, the newest first.
func (c *claudeClient) since(ctx context.Context, at time.Time) (found []claudeBatch, err error) {
	pages := c.api.Messages.Batches.ListAutoPaging(ctx, anthropic.MessageBatchListParams{Limit: param.NewOpt[int64](100)})
	for pages.Next() {
		b := batchOf(pages.Current())
		if b.CreatedAt.Before(at) {
			return found, nil
		}
		found = append(found, b)
	}
	if pages.Err() != nil {
		return nil, c.failed(pages.Err(), true)
	}
	return found, nil
}

// batch looks one up.
func (c *claudeClient) batch(ctx context.Context, id string) (claudeBatch, error) {
	b, err := c.api.Messages.Batches.Get(ctx, id, anthropic.MessageBatchGetParams{})
	if err != nil {
		return claudeBatch{}, c.failed(err, true)
	}
	return batchOf(*b), nil
}

// errSpoilt says that a batch has results which cannot be read.
var errSpoilt = errors.New("website: results of a batch cannot be read")

// longestResult is far more than an answer has, in bytes.
const longestResult = 1 << 20

// results hands each result of a batch that has ended to fn, in any order and perhaps twice, until fn gives an error. Lines
// that cannot be read are left out, and told as errSpoilt when all others were handed over: the SDK's own reading would
// end at the first of them.
func (c *claudeClient) results(ctx context.Context, id string, fn func(result) error) error {
	var response *http.Response
	err := c.api.Get(ctx, "v1/messages/batches/"+url.PathEscape(id)+"/results", nil, &response,
		option.WithRequestTimeout(batchPatience), option.WithHeader("Accept", "application/x-jsonl"))
	if err != nil {
		return c.failed(err, true)
	}
	defer response.Body.Close()
	lines, unreadable := bufio.NewReaderSize(response.Body, longestResult), 0
	for {
		line, whole, err := nextLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c.failed(err, true)
		}
		r, readable := readResult(line)
		switch {
		case whole && readable:
			if err := fn(r); err != nil {
				return err
			}
		case !whole || len(bytes.TrimSpace(line)) > 0:
			unreadable++
		}
	}
	if unreadable > 0 {
		return fmt.Errorf("%w: %d", errSpoilt, unreadable)
	}
	return nil
}

// nextLine returns the next line; one that is not whole is too long, and its rest is skipped.
func nextLine(lines *bufio.Reader) (line []byte, whole bool, err error) {
	line, more, err := lines.ReadLine()
	for whole = !more; more && err == nil; {
		_, more, err = lines.ReadLine()
	}
	return line, whole, err
}

// readResult reads a line of results. One that does not tell what it is, or what its answer used, is of no use.
func readResult(line []byte) (r result, readable bool) {
	var of anthropic.MessageBatchIndividualResponse
	if err := json.Unmarshal(bytes.ToValidUTF8(line, []byte("\uFFFD")), &of); err != nil || of.CustomID == "" {
		return result{}, false
	}
	r = resultOf(of)
	switch r.Outcome {
	case outcomeSucceeded:
		return r, tells(of.Result.Message)
	case "errored", "canceled", "expired":
		return r, true
	default:
		return result{}, false
	}
}

func resultOf(line anthropic.MessageBatchIndividualResponse) result {
	r := result{CustomID: line.CustomID, Outcome: line.Result.Type, Raw: json.RawMessage(line.RawJSON())}
	switch of := line.Result.AsAny().(type) {
	case anthropic.MessageBatchSucceededResult:
		r.Answer = answerOf(of.Message)
	case anthropic.MessageBatchErroredResult:
		r.Detail = of.Error.Error.Type + ": " + of.Error.Error.Message
	}
	return r
}

func batchOf(b anthropic.MessageBatch) claudeBatch {
	n := b.RequestCounts
	return claudeBatch{
		ID: b.ID, Ended: b.ProcessingStatus == anthropic.MessageBatchProcessingStatusEnded, CreatedAt: b.CreatedAt,
		Questions: n.Processing + n.Succeeded + n.Errored + n.Canceled + n.Expired,
	}
}
