package query

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokEOF tokenKind = iota
	tokWord
	tokQuoted
	tokNumber
	tokString
	tokParam
	tokOp
)

// token is one lexeme. word is the lower-case form of an unquoted name, for keywords.
type token struct {
	Pos
	kind tokenKind
	text string
	word string
}

type lexer struct {
	src  string
	off  int
	line int
	col  int
}

// lex cuts the text into tokens, the last of which is tokEOF.
func lex(src string) ([]token, *Error) {
	if len(src) > maxBytes {
		return nil, &Error{Pos: Pos{1, 1}, Code: "too-long", Msg: "the query is longer than 64 KiB"}
	}
	if !utf8.ValidString(src) || strings.ContainsRune(src, 0) {
		return nil, &Error{Pos: Pos{1, 1}, Code: "encoding", Msg: "the query is not UTF-8 text"}
	}
	l := &lexer{src: src, line: 1, col: 1}
	var out []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		if t.kind == tokEOF {
			return out, nil
		}
		if len(out) > maxTokens {
			return nil, &Error{Pos: t.Pos, Code: "too-long", Msg: "the query has too many words"}
		}
	}
}

func (l *lexer) here() Pos { return Pos{l.line, l.col} }

func (l *lexer) rest() string { return l.src[l.off:] }

// skip moves past n bytes.
func (l *lexer) skip(n int) string {
	s := l.src[l.off : l.off+n]
	for _, c := range s {
		if c == '\n' {
			l.line, l.col = l.line+1, 1
		} else {
			l.col++
		}
	}
	l.off += n
	return s
}

func (l *lexer) next() (token, *Error) {
	if err := l.blank(); err != nil {
		return token{}, err
	}
	at, rest := l.here(), l.rest()
	if rest == "" {
		return token{Pos: at, kind: tokEOF}, nil
	}
	switch c := rest[0]; {
	case isWordStart(c):
		return l.word(at)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return l.number(at)
	case c == '\'':
		return l.quoted(at, '\'', tokString)
	case c == '"':
		return l.quoted(at, '"', tokQuoted)
	case c == '$':
		return l.param(at)
	}
	return l.operator(at)
}

// blank skips white space and comments; block comments nest, as in PostgreSQL.
func (l *lexer) blank() *Error {
	for {
		rest := l.rest()
		switch {
		case rest != "" && strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			l.skip(1)
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.skip(n)
		case strings.HasPrefix(rest, "/*"):
			if err := l.block(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (l *lexer) block() *Error {
	at := l.here()
	for depth := 0; ; {
		rest := l.rest()
		switch {
		case rest == "":
			return &Error{Pos: at, Code: "comment", Msg: "this comment has no end", Hint: "close it with */"}
		case strings.HasPrefix(rest, "/*"):
			l.skip(2)
			depth++
		case strings.HasPrefix(rest, "*/"):
			l.skip(2)
			if depth--; depth == 0 {
				return nil
			}
		default:
			_, n := utf8.DecodeRuneInString(rest)
			l.skip(n)
		}
	}
}

func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isWordStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (l *lexer) word(at Pos) (token, *Error) {
	rest, n := l.rest(), 1
	for n < len(rest) && (isWordStart(rest[n]) || isDigit(rest[n])) {
		n++
	}
	if n > maxIdent {
		return token{}, &Error{Pos: at, Code: "name", Msg: "this name is too long"}
	}
	if n < len(rest) && (rest[n] == '\'' || rest[n] == '&') && n <= 1 {
		return token{}, &Error{Pos: at, Code: "string", Msg: "strings with a prefix are not in the grammar", Hint: "write 'text', with '' for a quote"}
	}
	text := l.skip(n)
	return token{Pos: at, kind: tokWord, text: text, word: strings.ToLower(text)}, nil
}

// number takes digits with at most one point; exponents, underscores and hexadecimal are refused by what follows.
func (l *lexer) number(at Pos) (token, *Error) {
	rest, n, points := l.rest(), 0, 0
	for n < len(rest) && (isDigit(rest[n]) || rest[n] == '.' && points == 0) {
		if rest[n] == '.' {
			points++
		}
		n++
	}
	if n < len(rest) && (isWordStart(rest[n]) || rest[n] == '.') || n > 40 {
		return token{}, &Error{Pos: at, Code: "number", Msg: "this form of number is not in the grammar", Hint: "write plain digits, as 1000 or 0.25"}
	}
	return token{Pos: at, kind: tokNumber, text: l.skip(n)}, nil
}

func (l *lexer) quoted(at Pos, q byte, kind tokenKind) (token, *Error) {
	l.skip(1)
	var b strings.Builder
	for {
		n := strings.IndexByte(l.rest(), q)
		if n < 0 {
			return token{}, &Error{Pos: at, Code: "string", Msg: "this quote has no end"}
		}
		b.WriteString(l.skip(n))
		l.skip(1)
		if rest := l.rest(); rest == "" || rest[0] != q {
			break
		}
		b.WriteByte(q)
		l.skip(1)
	}
	t := token{Pos: at, kind: kind, text: b.String()}
	if kind == tokQuoted && (t.text == "" || len(t.text) > maxIdent) {
		return token{}, &Error{Pos: at, Code: "name", Msg: "a quoted name has 1 to 128 bytes"}
	}
	return t, nil
}

func (l *lexer) param(at Pos) (token, *Error) {
	rest, n := l.rest(), 1
	for n < len(rest) && isDigit(rest[n]) {
		n++
	}
	if n == 1 || n > 3 || rest[1] == '0' || n < len(rest) && (isWordStart(rest[n]) || rest[n] == '$') {
		return token{}, &Error{Pos: at, Code: "parameter", Msg: "parameters are $1, $2 and so on"}
	}
	return token{Pos: at, kind: tokParam, text: l.skip(n)[1:]}, nil
}

func (l *lexer) operator(at Pos) (token, *Error) {
	for _, op := range []string{"<>", "!=", "<=", ">=", "||", "::", "//", "->", "**", "~~"} {
		if strings.HasPrefix(l.rest(), op) {
			return token{Pos: at, kind: tokOp, text: l.skip(2)}, nil
		}
	}
	if strings.IndexByte("=<>+-*/%(),.;[]{}:?@#!^&|~", l.rest()[0]) >= 0 {
		return token{Pos: at, kind: tokOp, text: l.skip(1)}, nil
	}
	return token{}, &Error{Pos: at, Code: "character", Msg: "this character is not in the grammar", Hint: "put names with special characters in double quotes"}
}
