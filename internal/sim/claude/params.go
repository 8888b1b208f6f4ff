package claude

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// params is the body of a request for a message.
type params struct {
	Model        string  `json:"model"`
	MaxTokens    int64   `json:"max_tokens"`
	System       content `json:"system"`
	Messages     []turn  `json:"messages"`
	OutputConfig *struct {
		Format *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
		Effort string `json:"effort"`
	} `json:"output_config"`
	Temperature *float64 `json:"temperature"`
	TopP        *float64 `json:"top_p"`
	TopK        *int64   `json:"top_k"`
	Thinking    *struct {
		Type         string `json:"type"`
		BudgetTokens *int64 `json:"budget_tokens"`
	} `json:"thinking"`
	ToolChoice *struct {
		Type string `json:"type"`
	} `json:"tool_choice"`
	Tools         json.RawMessage `json:"tools"`
	Metadata      json.RawMessage `json:"metadata"`
	StopSequences []string        `json:"stop_sequences"`
	ServiceTier   string          `json:"service_tier"`
	CacheControl  json.RawMessage `json:"cache_control"`
	Stream        bool            `json:"stream"`
}

type turn struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a string or a list of blocks.
type content []block

type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	CacheControl json.RawMessage `json:"cache_control,omitempty"`
}

// UnmarshalJSON takes both of its forms.
func (c *content) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*c = content{{Type: "text", Text: text}}
		return nil
	}
	return json.Unmarshal(raw, (*[]block)(c))
}

func (c content) text() string {
	parts := make([]string, 0, len(c))
	for _, b := range c {
		parts = append(parts, b.Text)
	}
	return strings.Join(parts, "\n")
}

// problem is why a request is refused.
type problem struct {
	status  int
	kind    string
	message string
}

func invalid(format string, args ...any) *problem {
	return &problem{http.StatusBadRequest, "invalid_request_error", fmt.Sprintf(format, args...)}
}

func parse(raw []byte) (params, *problem) {
	var p params
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields() // the API says "Extra inputs are not permitted"
	if err := decoder.Decode(&p); err != nil {
		return p, invalid("The request body is not valid: %v", err)
	}
	return p, nil
}

// validate refuses what the API refuses.
func (p params) validate() *problem {
	modern := strings.HasSuffix(p.Model, "-5-5")
	switch {
	case p.Model == "":
		return invalid("model: Field required")
	case !slices.Contains([]string{"claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"}, p.Model):
		return &problem{http.StatusNotFound, "not_found_error", "model: " + p.Model}
	case p.MaxTokens < 1:
		return invalid("max_tokens: Field required")
	case len(p.Messages) == 0:
		return invalid("messages: at least one message is required")
	case p.Messages[0].Role != "user":
		return invalid("messages: first message must use the \"user\" role")
	case modern && p.Messages[len(p.Messages)-1].Role == "assistant":
		return invalid("This model does not support assistant message prefill. The conversation must end with a user message.")
	case modern && (p.Temperature != nil || p.TopP != nil || p.TopK != nil):
		return invalid("`temperature`, `top_p` and `top_k` are not supported for this model.")
	case modern && p.Thinking != nil && p.Thinking.BudgetTokens != nil:
		return invalid("thinking.budget_tokens: not supported for this model; use adaptive thinking")
	case p.ToolChoice != nil && (p.ToolChoice.Type == "tool" || p.ToolChoice.Type == "any") && modern:
		return invalid("tool_choice: forced tool use is not supported for this model")
	case p.Stream:
		return invalid("stream: this simulation does not stream")
	}
	for _, t := range p.Messages {
		if t.Content.text() == "" {
			return invalid("messages: text content blocks must be non-empty")
		}
	}
	if p.OutputConfig == nil || p.OutputConfig.Format == nil {
		return nil
	}
	if p.OutputConfig.Format.Type != "json_schema" {
		return invalid("output_config.format.type: Input should be 'json_schema'")
	}
	var schema any
	if err := json.Unmarshal(p.OutputConfig.Format.Schema, &schema); err != nil {
		return invalid("output_config.format.schema: Field required")
	}
	return checkSchema(schema, "output_config.format.schema")
}

// checkSchema refuses the parts of JSON schema that structured output does not take.
func checkSchema(schema any, at string) *problem {
	object, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	for _, word := range []string{"maxLength", "minLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems", "pattern"} {
		if _, has := object[word]; has {
			return invalid("%s: property '%s' is not supported", at, word)
		}
	}
	if object["type"] == "object" && object["additionalProperties"] != false {
		return invalid("%s: For 'object' type, 'additionalProperties' must be explicitly set to false", at)
	}
	if properties, ok := object["properties"].(map[string]any); ok {
		for name, inner := range properties {
			if p := checkSchema(inner, at+".properties."+name); p != nil {
				return p
			}
		}
	}
	if p := checkSchema(object["items"], at+".items"); p != nil {
		return p
	}
	if choices, ok := object["anyOf"].([]any); ok {
		for _, inner := range choices {
			if p := checkSchema(inner, at+".anyOf"); p != nil {
				return p
			}
		}
	}
	return nil
}

// text is what the user's turns say.
func (p params) text() string {
	var parts []string
	for _, t := range p.Messages {
		if t.Role == "user" {
			parts = append(parts, t.Content.text())
		}
	}
	return strings.Join(parts, "\n")
}

func (p params) question(customID string) Question {
	q := Question{Model: p.Model, System: p.System.text(), Text: p.text(), MaxTokens: p.MaxTokens, CustomID: customID}
	if p.OutputConfig != nil && p.OutputConfig.Format != nil {
		q.Schema = p.OutputConfig.Format.Schema
	}
	return q
}
