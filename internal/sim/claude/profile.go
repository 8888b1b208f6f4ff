package claude

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Profile answers any schema from the text that was sent: each string is a line of it, word for word, so that whoever
// looks for its quotes finds them. Prices are looked for where a field's name asks for them, and so on. Without a schema
// it answers with the first line.
func Profile(q Question) Answer {
	lines := linesOf(q.Text)
	if len(q.Schema) == 0 {
		return Answer{Text: pick(lines, nil, 0)}
	}
	var schema map[string]any
	if err := json.Unmarshal(q.Schema, &schema); err != nil {
		return Answer{ErrorType: "invalid_request_error"}
	}
	said, err := json.Marshal(fill(schema, "", lines, 0))
	if err != nil {
		return Answer{ErrorType: "api_error"}
	}
	return Answer{Text: string(said)}
}

// linesOf returns the lines of a text. Where it holds JSON, from the first brace on, they are those of its strings.
func linesOf(text string) []string {
	var texts []string
	for i := strings.IndexAny(text, "{["); i >= 0; {
		var data any
		if err := json.NewDecoder(strings.NewReader(text[i:])).Decode(&data); err == nil {
			texts = stringsOf(data)
			break
		}
		next := strings.IndexAny(text[i+1:], "{[")
		if next < 0 {
			break
		}
		i += 1 + next
	}
	if texts == nil {
		texts = []string{text}
	}
	var lines []string
	for _, t := range texts {
		for line := range strings.Lines(t) {
			if line = strings.TrimSpace(line); len(line) > 2 && !strings.HasPrefix(line, "http") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// stringsOf returns the strings of a value, those of an object in the order of its keys' names.
func stringsOf(v any) []string {
	var found []string
	switch v := v.(type) {
	case string:
		found = []string{v}
	case []any:
		for _, inner := range v {
			found = append(found, stringsOf(inner)...)
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			found = append(found, stringsOf(v[key])...)
		}
	}
	return found
}

var (
	priceLike = regexp.MustCompile(`[$€£]\s?\d|\d\s?(USD|EUR|GBP|€)`)
	wanted    = map[string]*regexp.Regexp{
		"pric":    priceLike,
		"tier":    priceLike,
		"amount":  priceLike,
		"audien":  regexp.MustCompile(`(?i)\bfor\b.*(women|men|people|parents|beginners|owners|teachers|coaches|artists|runners|players|members|everyone|you)`),
		"content": regexp.MustCompile(`(?i)\b(course|lesson|video|article|podcast|workshop|library|newsletter|class|guide)`),
		"offer":   regexp.MustCompile(`(?i)\b(free|trial|join|start|discount|guarantee|save)\b`),
		"communi": regexp.MustCompile(`(?i)\b(community|forum|group|club)\b`),
	}
)

// fill makes a value of the schema; depth keeps lists of the same field from repeating one line.
func fill(schema map[string]any, name string, lines []string, nth int) any {
	if choices, ok := schema["enum"].([]any); ok && len(choices) > 0 {
		return choose(choices, lines)
	}
	if value, ok := schema["const"]; ok {
		return value
	}
	if choices, ok := schema["anyOf"].([]any); ok && len(choices) > 0 {
		if inner, ok := choices[0].(map[string]any); ok {
			return fill(inner, name, lines, nth)
		}
	}
	switch typeOf(schema) {
	case "object":
		object := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for _, key := range sortedKeys(properties) {
			inner, _ := properties[key].(map[string]any)
			object[key] = fill(inner, key, about(lines, name), nth)
		}
		return object
	case "array":
		inner, _ := schema["items"].(map[string]any)
		list := []any{}
		for i := range min(3, len(about(lines, name))) {
			list = append(list, fill(inner, name, lines, i))
		}
		return list
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "null":
		return nil
	default:
		return pick(lines, wantedBy(name), nth)
	}
}

// typeOf is the schema's type, the first where it names several.
func typeOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			first, _ := t[0].(string)
			return first
		}
	}
	return ""
}

// choose takes the choice that the text names, else the last, which tends to be "other".
func choose(choices []any, lines []string) any {
	all := strings.ToLower(strings.Join(lines, "\n"))
	for _, c := range choices {
		if word, ok := c.(string); ok && len(word) > 3 && strings.Contains(all, strings.ToLower(strings.ReplaceAll(word, "_", " "))) {
			return c
		}
	}
	return choices[len(choices)-1]
}

func wantedBy(name string) *regexp.Regexp {
	name = strings.ToLower(name)
	for _, part := range sortedKeys(wanted) {
		if strings.Contains(name, part) {
			return wanted[part]
		}
	}
	return nil
}

// about returns the lines that the field's name asks for, or all where none is.
func about(lines []string, name string) []string {
	like := wantedBy(name)
	if like == nil {
		return lines
	}
	var fitting []string
	for _, line := range lines {
		if like.MatchString(line) {
			fitting = append(fitting, line)
		}
	}
	if fitting == nil {
		return lines
	}
	return fitting
}

// pick returns the nth line that fits, at most 200 bytes of it.
func pick(lines []string, like *regexp.Regexp, nth int) string {
	fitting := lines
	if like != nil {
		fitting = slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !like.MatchString(line) })
	}
	if len(fitting) == 0 {
		fitting = lines
	}
	if len(fitting) == 0 {
		return ""
	}
	line := fitting[nth%len(fitting)]
	if len(line) > 200 {
		cut := strings.LastIndexByte(line[:200], ' ')
		if cut < 100 {
			cut = len(strings.ToValidUTF8(line[:200], ""))
		}
		line = line[:cut]
	}
	return line
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
