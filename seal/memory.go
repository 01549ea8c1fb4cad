package seal

// Memory lends room for keys that is better kept than the heap. Its methods may be called concurrently.
type Memory interface {
	// Take lends n zeroed bytes.
	Take(n int) ([]byte, error)
	// Give wipes what Take lent, and takes it back.
	Give(b []byte)
}

// take lends room of mem, or of the heap where there is none.
func take(mem Memory, n int) ([]byte, error) {
	if mem == nil {
		return make([]byte, n), nil
	}
	return mem.Take(n)
}
