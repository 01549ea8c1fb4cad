package backup

import (
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/cordon-exchange/cordon/statement"
)

// checked ends with an error instead of io.EOF where what it gave is not what was copied, so that no object comes of it.
type checked struct {
	r    io.Reader
	left int64
	sum  hash.Hash
	want statement.Digest
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) && (c.left != 0 || digestOf(c.sum) != c.want) {
		return n, fmt.Errorf("%w: an object", ErrChanged)
	}
	return n, err
}
