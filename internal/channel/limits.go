package channel

// Bounds on what crosses the channel; docs/spec/channel.md, section 5. Both sides hold to them, neither believes the other.
const (
	MaxJob          = 64 << 20         // bytes of a Job
	MaxStatements   = 16384            // statements that come with a job
	MaxBody         = 4 << 20          // bytes of one sealed message
	MaxMessages     = 7 << 20          // bytes of Messages and of Replies
	MaxEvidence     = 8 << 20          // bytes of evidence
	MaxReport       = 1 << 20          // bytes of a request for evidence
	MaxSmall        = 4 << 10          // bytes of a stage, a problem, a finish without artifacts
	MaxFinish       = 7 << 20          // bytes of a finish
	MaxLast         = 6 << 20          // bytes of the artifacts behind it, and of their names
	MaxAsked        = 1 << 20          // bytes of Ranges
	MaxRanges       = 1024             // ranges in one request
	MaxRange        = 64 << 20         // bytes of them together
	MaxArtifact     = 64 << 20         // bytes of one artifact
	MaxItems        = 4096             // replies in one answer
	MaxEndorsements = 16               // that come with a quote
	MaxWaitMS       = 30_000           // of one long poll
	MaxStreams      = 256              // requests at once
	FrameSize       = 1 << 20          // bytes of an HTTP/2 frame that either side accepts
	StreamWindow    = 4<<20 - 1        // bytes under way in one direction of one request
	MaxMS           = 24 * 3600 * 1000 // of a time limit
	MaxText         = 64               // bytes of a code or the name of a stage

	// What one enclave may do in all.

	MaxParties   = 1025             // brokers of one job
	MaxSent      = 3 * MaxParties   // messages: three to each broker
	MaxAttest    = 4                // pieces of evidence; it needs two
	MaxStages    = 64               // stages reported
	MaxArtifacts = 2 * MaxParties   // artifacts stored
	MaxWritten   = 16 * MaxArtifact // bytes of artifacts
)
