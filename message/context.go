package message

import (
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// The context that each text of a job is sealed in; docs/spec/messages.md. An enclave is no party: where it reads or
// writes, the field is empty and the session's keys stand for it.

// BodyContext of a statement.Body that its requester seals to a broker. The job is not named: its digest covers the sealed body.
func BodyContext(requester, broker statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeJobBody, From: requester, To: broker}
}

// HelloContext of a Hello to a broker.
func HelloContext(job statement.Digest, broker statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeHello, Job: job, To: broker}
}

// QuoteContext of a Quote to a broker.
func QuoteContext(job statement.Digest, broker statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeQuote, Job: job, To: broker}
}

// ReceiptContext of a ReceiptNotice, or of a bundle, to a party of the job.
func ReceiptContext(job statement.Digest, party statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeReceipt, Job: job, To: party}
}

// ReplyContext of a broker's Reply to the session.
func ReplyContext(job statement.Digest, broker statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeReply, Job: job, From: broker}
}

// KeysContext of the statement.ReleasedKeys that an owner's broker seals to the session.
func KeysContext(job statement.Digest, owner statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeKeys, Job: job, From: owner}
}

// ResultContext of a ResultKey to a recipient.
func ResultContext(job statement.Digest, recipient statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeResult, Job: job, To: recipient}
}

// NoticeContext of a refusal that a broker seals to the requester.
func NoticeContext(job statement.Digest, broker, requester statement.Fingerprint) seal.Context {
	return seal.Context{Purpose: seal.PurposeNotice, Job: job, From: broker, To: requester}
}
