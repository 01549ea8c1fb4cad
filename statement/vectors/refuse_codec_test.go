package vectors_test

import (
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

// refuseEncodings lists spellings that mean what a success means, or nearly, and are not its one encoding.
func refuseEncodings(b *book) {
	for _, c := range []struct{ of, name, old, with string }{
		{"revocation", "space after a colon", `"reason":"`, `"reason": "`},
		{"revocation", "space before", `{"type"`, ` {"type"`},
		{"revocation", "newline behind", `000}`, "000}\n"},
		{"revocation", "a second value behind", `000}`, `000}{}`},
		{"revocation", "not closed", `000}`, `000`},
		{"revocation", "key in capitals", `"reason"`, `"Reason"`},
		{"revocation", "key in two cases", `"reason":"`, `"Reason":"the study is over","reason":"`},
		{"revocation", "key in two cases, the known one first", `"at_ms"`, `"REASON":"","at_ms"`},
		{"revocation", "key that folds to an s", `"reason"`, "\"rea\u017fon\""},
		{"revocation", "key twice", `"reason":"`, `"reason":"the study is over","reason":"`},
		{"revocation", "key twice, another value first", `"reason":"`, `"reason":"no","reason":"`},
		{"revocation", "key twice, type", `"author"`, `"type":"https://cordon-exchange.github.io/statement/revocation/v1","author"`},
		{"revocation", "unknown field", `"reason"`, `"because":1,"reason"`},
		{"revocation", "unknown field that is empty", `"reason"`, `"":"","reason"`},
		{"revocation", "key escaped", `"reason"`, `"\u0072eason"`},
		{"revocation", "null for text", `"the study is over"`, `null`},
		{"revocation", "null for a number", `:1767366245000`, `:null`},
		{"revocation", "optional text written though empty", `"the study is over"`, `""`},
		{"revocation", "field missing", `,"at_ms":1767366245000`, ``},
		{"revocation", "text for a number", `:1767366245000`, `:"1767366245000"`},
		{"revocation", "number for a text", `"the study is over"`, `7`},
		{"revocation", "true for a text", `"the study is over"`, `true`},
		{"revocation", "list for a text", `"the study is over"`, `["the study is over"]`},
		{"revocation", "object for a text", `"the study is over"`, `{}`},
		{"revocation", "fraction", `:1767366245000`, `:1767366245000.0`},
		{"revocation", "exponent", `:1767366245000`, `:1767366245e3`},
		{"revocation", "capital exponent", `:1767366245000`, `:1767366245E3`},
		{"revocation", "leading zero", `:1767366245000`, `:01767366245000`},
		{"revocation", "plus sign", `:1767366245000`, `:+1767366245000`},
		{"revocation", "minus zero", `:1767366245000`, `:-0`},
		{"revocation", "more than 64 bits", `:1767366245000`, `:18446744073709551617`},
		{"revocation", "letter escaped", `the study`, `\u0074he study`},
		{"revocation", "escape in capitals", `the study`, `the\u000A study`},
		{"revocation", "newline by its number", `the study`, `the\u000astudy`},
		{"revocation", "solidus escaped", `the study`, `the\/study`},
		{"revocation", "HTML escaped", `the study`, `the \u003cstudy`},
		{"revocation", "ampersand escaped", `the study`, `the \u0026 study`},
		{"revocation", "pair of surrogates", `the study`, `the \ud83e\udd9c study`},
		{"revocation", "high surrogate alone", `the study`, `the \ud83e study`},
		{"revocation", "low surrogate alone", `the study`, `the \udd9c study`},
		{"revocation", "replacement character escaped", `the study`, `the \ufffd study`},
		{"revocation", "control character raw", `the study`, "the\nstudy"},
		{"revocation", "invalid UTF-8", `the study`, "the\xffstudy"},
		{"revocation", "overlong UTF-8", `the study`, "the\xc0\xafstudy"},
		{"revocation", "surrogate in UTF-8", `the study`, "the\xed\xa0\x80study"},
		{"revocation", "single quotes", `"the study is over"`, `'the study is over'`},
		{"revocation", "comment", `"reason"`, `/**/"reason"`},
		{"revocation", "comma behind the last", `000}`, `000,}`},
		{"revocation", "fields in another order", `"reason":"the study is over","at_ms":1767366245000`, `"at_ms":1767366245000,"reason":"the study is over"`},
		{"offer with awkward text", "line separator raw", `\u2028`, "\u2028"},
		{"offer with awkward text", "backspace by its number", `\b`, `\u0008`},
		{"offer with awkward text", "escape in capitals", `\u2029`, `\U2029`},
		{"offer with awkward text", "false for true", `"nullable":true`, `"nullable":1`},
		{"offer", "optional digest written though empty", `,"created_ms":1767193445000`, `,"created_ms":1767193445000,"replaces":""`},
		{"offer", "null for a list", listIn(b, "offer", "files"), `null`},
		{"offer", "null in a list", `"files":[`, `"files":[null,`},
		{"offer", "object for a list", `"files":[`, `"files":{`},
		{"ready", "base64 without padding", `=","expires_ms"`, `","expires_ms"`},
		{"ready", "base64 with a newline", `"nonce":"`, `"nonce":"\n`},
		{"ready", "base64 with a carriage return", `=","expires_ms"`, `\r=","expires_ms"`},
		{"ready", "base64 with a space", `"nonce":"`, `"nonce":" `},
		{"ready", "base64 of two paddings", `=","expires_ms"`, `==","expires_ms"`},
		{"ready", "base64 with trailing bits", trailing(b.by["ready"].Payload), withTrailingBit(b.by["ready"].Payload)},
		{"ready", "numbers for bytes", nonceIn(b, "ready"), `[1,2,3]`},
	} {
		b.refuse(c.of, c.name, "not strict", "", replaced(b.t, []byte(b.by[c.of].Payload), c.old, c.with))
	}
	url := b.by["party"].Payload
	at := strings.Index(url, `"box":"`) + strings.IndexAny(url[strings.Index(url, `"box":"`):], "+")
	b.refuse("party", "base64 of the URL alphabet", "not strict", "", []byte(url[:at]+"-"+url[at+1:]))
	deep := strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40)
	b.refuse("revocation", "nested too deep", "not strict", "", replaced(b.t, []byte(b.by["revocation"].Payload), `"the study is over"`, deep))
}

// listIn cuts the list that is a field's value.
func listIn(b *book, of, field string) string {
	p := b.by[of].Payload
	i := strings.Index(p, `"`+field+`":[`) + len(field) + 3
	return p[i : i+strings.Index(p[i:], `]`)+1]
}

func nonceIn(b *book, of string) string {
	p := b.by[of].Payload
	i := strings.Index(p, `"nonce":"`) + len(`"nonce":`)
	return p[i : i+strings.Index(p[i:], `,`)]
}

// trailing is the end of a 32-byte nonce: its last letter holds two bits that must be zero.
func trailing(p string) string {
	i := strings.Index(p, `=","expires_ms"`)
	return p[i-1 : i+15]
}

func withTrailingBit(p string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	s := trailing(p)
	return string(letters[strings.IndexByte(letters, s[0])|1]) + s[1:]
}

// refuseTypes lists what is not the type expected.
func refuseTypes(b *book) {
	p := []byte(b.by["revocation"].Payload)
	uri := statement.TypeRevocation
	for _, c := range []struct{ name, old, with string }{
		{"another kind", "/revocation/v1", "/grant/v1"},
		{"another version", "/revocation/v1", "/revocation/v2"},
		{"another authority", "https://cordon-exchange", "http://cordon-exchange"},
		{"type empty", uri, ""},
		{"type of another key", `"type":`, `"Type":`},
		{"type is a number", `"` + uri + `"`, `1`},
		{"a byte order mark", `{"type"`, "\ufeff{\"type\""},
		{"no type", `"type":"` + uri + `",`, ``},
	} {
		b.refuse("revocation", c.name, "type", "", replaced(b.t, p, c.old, c.with))
	}
	b.refuse("revocation", "type not first", "type", "", replaced(b.t, replaced(b.t, p, `"type":"`+uri+`",`, ``), `000}`, `000,"type":"`+uri+`"}`))
	b.refuse("revocation", "a list", "type", "", append(append([]byte(`[`), p...), ']'))
	b.refuse("revocation", "nothing", "type", "", []byte{})
}
