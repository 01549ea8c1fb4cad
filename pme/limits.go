package pme

// Bounds on what a file may ask for. Real files stay far below; Parquet's own i16 ordinals set the first three.
const (
	maxRowGroups   = 1 << 15 // ordinals 0..32767
	maxColumns     = 1 << 15
	maxPages       = 1 << 15 // data pages of one column chunk
	maxFooter      = 256 << 20
	maxSchemaNodes = 1 << 17
	maxSchemaDepth = 64
	maxNesting     = 48       // of Thrift structures
	maxPageHeader  = 16 << 20 // page headers may carry min and max values
	maxModule      = 1<<31 - 1
	maxAADPart     = 1 << 10 // stored AAD prefix, file identifier
	firstTail      = 256 << 10
	maxWorkers     = 256
	maxHeaderRoom  = 4 << 10
	paddedPages    = 64 // of a chunk, at least, have headers of HeaderRoom

	// chunkFooterGrowth is more than what the plain footer can need for a column chunk or row group beyond its record in
	// the sealed footer: a dozen numbers of at most 11 bytes with their headers.
	chunkFooterGrowth = 192
)
