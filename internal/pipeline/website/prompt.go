package website

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// instructions are the system prompt. Whatever is changed in it changes promptVersion, and with that every site is
// described anew.
//
//go:embed prompt.txt
var instructions string

// schema is the shape that an answer must have. Claude takes no bounds of lengths and counts: decode has those.
//
//go:embed schema.json
var schema []byte

// maxAnswer is the most tokens of an answer. A long profile has about 1,200. What is reserved grows with it, and a first
// analysis that is cut off by a crash should leave the tenant's month room for another.
const maxAnswer = 2500

// asked is the user's turn.
type asked struct {
	Site     string `json:"site"`
	Previous *draft `json:"previous"`
	Text     string `json:"text"`
}

// questionAbout makes the question about what a site shows. Name is the site's host. Previous is the profile whose wording
// is to be kept; nil asks for a fresh one. The text is within a JSON string, so that it cannot be taken for anything but
// data.
func questionAbout(name, text string, previous *draft, model string) (question, error) {
	user, err := json.Marshal(asked{Site: name, Previous: previous, Text: text})
	if err != nil {
		return question{}, fmt.Errorf("website: make the question: %w", err)
	}
	return question{Model: model, System: instructions, Text: string(user), Schema: schema, MaxTokens: maxAnswer}, nil
}

// promptVersion names the instructions, and schemaVersion the shape of the answers.
func promptVersion() string { return digest(instructions)[:12] }

func schemaVersion() string { return digest(string(schema))[:12] }

// recipe is both, as the change gate compares it.
func recipe() string { return promptVersion() + "/" + schemaVersion() }

func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
