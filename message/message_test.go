package message_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// Which messages are accepted and which are not is in statement/vectors.

func TestMessagesOpenOnlyWhereTheyBelong(t *testing.T) {
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	a, b, job, other := alpha.Fingerprint(), bravo.Fingerprint(), statement.Sum([]byte("job")), statement.Sum([]byte("other"))
	key := message.ResultKey{Key: []byte("k"), Bundle: []byte("b")}
	contexts := map[string]seal.Context{
		"body": message.BodyContext(b, a), "hello": message.HelloContext(job, a), "quote": message.QuoteContext(job, a),
		"receipt": message.ReceiptContext(job, a), "reply": message.ReplyContext(job, a), "keys": message.KeysContext(job, a),
		"result": message.ResultContext(job, a), "notice": message.NoticeContext(job, b, a),
		"hello of another job": message.HelloContext(other, a), "quote of another job": message.QuoteContext(other, a),
		"receipt of another job": message.ReceiptContext(other, a), "reply of another job": message.ReplyContext(other, a),
		"keys of another job": message.KeysContext(other, a), "result of another job": message.ResultContext(other, a),
		"notice of another job": message.NoticeContext(other, b, a), "body to another": message.BodyContext(b, b),
		"hello to another": message.HelloContext(job, b), "reply from another": message.ReplyContext(job, b),
		"keys from another": message.KeysContext(job, b), "body from another": message.BodyContext(a, a),
		"notice from another": message.NoticeContext(job, a, a), "result to another": message.ResultContext(job, b),
	}
	for wrote, w := range contexts {
		sealed, err := message.SealTo(alpha.Box.Public(), w, key)
		if err != nil {
			t.Fatal(err)
		}
		for read, r := range contexts {
			var got message.ResultKey
			err := message.OpenWith(alpha.Box, r, sealed, &got)
			if read == wrote && (err != nil || string(got.Key) != "k") {
				t.Errorf("%s does not open: %v", wrote, err)
			}
			if read != wrote && !errors.Is(err, seal.ErrOpen) {
				t.Errorf("%s opens as %s: %v", wrote, read, err)
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	alpha := receipttest.NewParty(t, "alpha")
	c := seal.Context{Purpose: seal.PurposeResult}
	key := message.ResultKey{Key: []byte("k"), Bundle: make([]byte, message.MaxSize)}
	if out, err := message.SealTo(alpha.Box.Public(), c, key); out != nil || !errors.Is(err, message.ErrMalformed) {
		t.Errorf("sealed: %v", err)
	}
	var got message.ResultKey
	if err := message.OpenWith(alpha.Box, c, make([]byte, message.MaxSize+4097), &got); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("opened: %v", err)
	}
}

// FuzzMessages decodes any clear text as each kind of message, as its reader
// would: accepted text encodes to the same bytes again, refused text leaves nothing.
func FuzzMessages(f *testing.F) {
	for _, m := range vectors.AllMessages() {
		f.Add([]byte(m.Text))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, v := range []any{
			&message.Letter{}, &message.Hello{}, &message.Quote{}, &message.ReceiptNotice{}, &message.Reply{}, &message.ResultKey{},
			&statement.Body{}, &statement.ReleasedKeys{}, &statement.Envelope{},
		} {
			if err := message.Read(src, v); err != nil {
				if !errors.Is(err, message.ErrMalformed) || !reflect.ValueOf(v).Elem().IsZero() {
					t.Fatalf("%T refused, but %v", v, err)
				}
				continue
			}
			if again, err := statement.Marshal(v); err != nil || !bytes.Equal(again, src) {
				t.Fatalf("%T: accepted bytes encode differently: %v", v, err)
			}
		}
	})
}
