package tree

import (
	"encoding/base64"
	"strconv"
)

// appendJSON adds the JSON of an entry that is sent, which has no Expect. json.Marshal costs an
// emulated processor more than reading a small file.
func (e *Entry) appendJSON(to []byte) []byte {
	to = append(to, '{')
	to = appendText(to, "path", Text{e.Path, e.PathBase64})
	to = appendField(to, "type", string(e.Type))
	if e.Mode != nil {
		to = strconv.AppendUint(appendKey(to, "mode"), uint64(*e.Mode), 10)
	}
	if e.Size != nil {
		to = strconv.AppendInt(appendKey(to, "size"), *e.Size, 10)
	}
	to = appendField(to, "mtime_ns", e.MtimeNs)
	to = appendText(to, "target", Text{e.Target, e.TargetBase64})
	to = appendField(to, "sha256", e.SHA256)
	to = appendField(to, "reason", string(e.Reason))
	return append(to, '}')
}

// appendText adds the one of two fields that the text needs, or none.
func appendText(to []byte, key string, text Text) []byte {
	switch {
	case text.plain != nil:
		return appendString(appendKey(to, key), *text.plain)
	case text.base64 != nil:
		return appendString(appendKey(to, key+"_base64"), base64.StdEncoding.EncodeToString(text.base64))
	default:
		return to
	}
}

// appendField adds a field, unless its value is empty.
func appendField(to []byte, key, value string) []byte {
	if value == "" {
		return to
	}
	return appendString(appendKey(to, key), value)
}

func appendKey(to []byte, key string) []byte {
	if to[len(to)-1] != '{' {
		to = append(to, ',')
	}
	to = append(to, '"')
	to = append(to, key...)
	return append(to, '"', ':')
}

// appendString adds a JSON string. The value is UTF-8.
func appendString(to []byte, value string) []byte {
	to = append(to, '"')
	plain := 0
	for i := range len(value) {
		if b := value[i]; b >= ' ' && b != '"' && b != '\\' {
			continue
		}
		to = append(to, value[plain:i]...)
		to = appendEscape(to, value[i])
		plain = i + 1
	}
	to = append(to, value[plain:]...)
	return append(to, '"')
}

func appendEscape(to []byte, b byte) []byte {
	const digits = "0123456789abcdef"
	if b == '"' || b == '\\' {
		return append(to, '\\', b)
	}
	return append(to, '\\', 'u', '0', '0', digits[b>>4], digits[b&15])
}
