package pme

// Field ids of parquet.thrift, as far as this package looks at them.
const (
	// FileMetaData
	fmSchema       = 2
	fmNumRows      = 3
	fmRowGroups    = 4
	fmKeyValue     = 5
	fmCreatedBy    = 6
	fmColumnOrders = 7
	fmAlgorithm    = 8
	fmSigningKey   = 9

	// RowGroup
	rgColumns        = 1
	rgTotalByteSize  = 2
	rgNumRows        = 3
	rgSorting        = 4
	rgFileOffset     = 5
	rgCompressedSize = 6
	rgOrdinal        = 7

	// ColumnChunk
	ccFilePath          = 1
	ccFileOffset        = 2
	ccMetaData          = 3
	ccOffsetIndexOffset = 4
	ccOffsetIndexLength = 5
	ccColumnIndexOffset = 6
	ccColumnIndexLength = 7
	ccCrypto            = 8
	ccEncryptedMetaData = 9

	// ColumnMetaData
	cmType             = 1
	cmEncodings        = 2
	cmPath             = 3
	cmCodec            = 4
	cmNumValues        = 5
	cmUncompressedSize = 6
	cmCompressedSize   = 7
	cmDataPageOffset   = 9
	cmIndexPageOffset  = 10
	cmDictPageOffset   = 11
	cmStatistics       = 12
	cmEncodingStats    = 13
	cmBloomOffset      = 14
	cmBloomLength      = 15

	// ColumnCryptoMetaData (union) and EncryptionWithColumnKey
	cryptoFooterKey = 1
	cryptoColumnKey = 2
	ckPath          = 1
	ckKeyMetadata   = 2

	// EncryptionAlgorithm (union), AesGcmV1 and AesGcmCtrV1
	algGCM          = 1
	algCTR          = 2
	aesPrefix       = 1
	aesFileUnique   = 2
	aesSupplyPrefix = 3

	// FileCryptoMetaData
	fcAlgorithm   = 1
	fcKeyMetadata = 2

	// SchemaElement
	seType        = 1
	seRepetition  = 3
	seName        = 4
	seNumChildren = 5
	seConverted   = 6
	seLogical     = 10

	// PageHeader and its data pages
	phType             = 1
	phUncompressedSize = 2
	phCompressedSize   = 3
	phCRC              = 4
	phData             = 5
	phDictionary       = 7
	phDataV2           = 8
	phExtension        = 32767 // of any structure: BinaryProtocolExtensions.md of Parquet
	dpNumValues        = 1
	dpStatistics       = 5
	dp2Statistics      = 8

	// OffsetIndex and PageLocation
	oiLocations = 1
	plOffset    = 1
	plSize      = 2

	// BloomFilterHeader
	bfNumBytes = 1

	// KeyValue
	kvKey   = 1
	kvValue = 2

	// SortingColumn
	scColumn = 1
)
