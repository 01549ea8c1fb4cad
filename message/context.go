package message

import (
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// The contexts below bind each sealed text to its purpose, job and reader, and
// so have to be the same on both sides (docs/spec/messages.md). A party that
// writes is named; an enclave is not, as its session is not a party.

// BodyContext is for a job's letter: the job's digest can't be known yet, but it commits to the body.
func BodyContext(requester, to statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeJobBody, From: requester, To: to}
}

// HelloContext is for a Hello to one broker.
func HelloContext(job statement.Digest, to statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeHello, Job: job, To: to}
}

// QuoteContext is for a Quote to one broker.
func QuoteContext(job statement.Digest, to statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeQuote, Job: job, To: to}
}

// ReceiptContext is for a ReceiptNotice to one broker.
func ReceiptContext(job statement.Digest, to statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeReceipt, Job: job, To: to}
}

// ReplyContext is for a broker's Reply, sealed to the session.
func ReplyContext(job statement.Digest, from statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeReply, Job: job, From: from}
}

// KeysContext is for the ReleasedKeys in a Reply, sealed to the session.
func KeysContext(job statement.Digest, from statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeKeys, Job: job, From: from}
}

// ResultContext is for a ResultKey to one recipient.
func ResultContext(job statement.Digest, to statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeResult, Job: job, To: to}
}

// NoticeContext is for a Refusal's envelope that a broker sends to the requester.
func NoticeContext(job statement.Digest, from, to statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeNotice, Job: job, From: from, To: to}
}
