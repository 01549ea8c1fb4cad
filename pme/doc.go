// Package pme opens and seals Parquet files under Parquet Modular Encryption (PME) without decoding them.
//
// PME encrypts modules: page headers, pages, column metadata, indexes, bloom filters, footer. Open decrypts the modules
// of the wanted columns into a plain Parquet file that holds only those columns, and Seal does the reverse; values are
// never decompressed or decoded, so both run at the speed of AES-GCM.
//
// Sees in clear: the keys it is given and the modules of the columns asked for. Never sees: other columns, which stay
// ciphertext, and decoded values.
// Trusts: the keys and the AAD prefix its caller supplies. Not the file: every length, offset and count in it is hostile,
// also after authentication (the owner of a key may be the attacker).
// If it fails: an error, and a destination without head and footer, zeroed where it is memory. Errors name columns and
// modules, never values, keys or key metadata. If it is wrong: columns that were not granted are in clear, or changed
// bytes pass for the owner's.
// Spec: docs/spec/sealed-parquet.md, and Encryption.md of Apache parquet-format.
package pme
