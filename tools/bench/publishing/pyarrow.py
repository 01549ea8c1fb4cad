"""Reads a Parquet file and writes it encrypted, every column under a 256-bit key of its own. Prints what it took, as JSON."""

import base64
import json
import os
import resource
import sys
import time

import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe


class Keys(pe.KmsClient):
    """Wraps nothing: what a key store takes is not measured on either side."""

    def wrap_key(self, key, master):
        return base64.b64encode(key)

    def unwrap_key(self, wrapped, master):
        return base64.b64decode(wrapped)


def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


source, target, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
began, busy = time.monotonic(), used()
table = pq.read_table(source)
read = time.monotonic() - began
factory = pe.CryptoFactory(lambda config: Keys())
config = pe.EncryptionConfiguration(
    footer_key="footer", column_keys={name: [name] for name in table.column_names},
    encryption_algorithm="AES_GCM_V1", data_key_length_bits=256)
properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
with pq.ParquetWriter(target, table.schema, compression="zstd", store_decimal_as_integer=True,
                      encryption_properties=properties) as writer:
    writer.write_table(table, row_group_size=rows)
print(json.dumps({"seconds": time.monotonic() - began, "read": read, "processor": used() - busy,
                  "bytes": os.path.getsize(target), "rows": table.num_rows}))
