package folder

import (
	"errors"
	"io"

	"gocloud.dev/blob"
)

// reader gives exactly the bytes it promised, or says that they are not there.
type reader struct {
	*blob.Reader
	body io.Reader // what to read from
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.left -= int64(n)
	return n, r.end(err)
}

// WriteTo lets the kernel send the file to a socket without copying it.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, r.body)
	r.left -= n
	if err == nil {
		err = io.EOF
	}
	if err = r.end(err); errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (r *reader) end(err error) error {
	if errors.Is(err, io.EOF) && r.left > 0 {
		return io.ErrUnexpectedEOF // the file shrank behind our back
	}
	return err
}
