package cpio

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
)

func sample() []File {
	return []File{
		{Name: "init", Mode: 0o755, Data: []byte("program")},
		{Name: "lib/modules/a.ko", Mode: 0o644, Data: []byte("module of odd length.")},
		{Name: "dev/console", Mode: 0o600 | fs.ModeDevice | fs.ModeCharDevice, Major: 5, Minor: 1},
		{Name: "lib", Mode: 0o755 | fs.ModeDir},
		{Name: "lib/modules", Mode: 0o755 | fs.ModeDir},
		{Name: "dev", Mode: 0o755 | fs.ModeDir},
		{Name: "lib/link", Mode: 0o777 | fs.ModeSymlink, Data: []byte("modules/a.ko")},
		{Name: "empty", Mode: 0o400},
	}
}

func write(t testing.TB, files []File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSameBytesInAnyOrder(t *testing.T) {
	files := sample()
	want := write(t, files)
	slices.Reverse(files)
	if !bytes.Equal(want, write(t, files)) {
		t.Error("the order of the files makes a difference")
	}
	if files[0].Name != "empty" {
		t.Error("the caller's files were moved")
	}
}

func TestReadsBack(t *testing.T) {
	b := write(t, sample())
	got, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(got))
	for i, f := range got {
		names[i] = f.Mode.String() + " " + f.Name
	}
	want := "drwxr-xr-x dev|Dcrw------- dev/console|-r-------- empty|-rwxr-xr-x init|drwxr-xr-x lib|Lrwxrwxrwx lib/link|drwxr-xr-x lib/modules|-rw-r--r-- lib/modules/a.ko"
	if s := strings.Join(names, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	if got[1].Major != 5 || got[1].Minor != 1 || string(got[3].Data) != "program" {
		t.Errorf("contents changed: %v", got)
	}
}

// TestOthersReadIt has the archive unpacked by a program that is not ours.
func TestOthersReadIt(t *testing.T) {
	tool, err := exec.LookPath("cpio")
	need.That(t, err == nil, "no cpio (Debian package cpio)")
	dir := t.TempDir()
	var files []File
	for _, f := range sample() {
		if f.Mode&fs.ModeDevice == 0 {
			files = append(files, f)
		}
	}
	cmd := exec.Command(tool, "-i", "--quiet", "--no-preserve-owner")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(write(t, files))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(dir + "/lib/link")
	if err != nil || string(b) != "module of odd length." {
		t.Errorf("through the link: %q, %v", b, err)
	}
	info, err := os.Stat(dir + "/init")
	if err != nil || info.Mode() != 0o755 || info.ModTime().Unix() != 0 && info.ModTime().Year() < 2000 {
		t.Errorf("init: %v, %v", info, err)
	}
}

func TestFilesRefused(t *testing.T) {
	for name, files := range map[string][]File{
		"a name from the root":      {{Name: "/init", Mode: 0o755}},
		"a way out":                 {{Name: "../init", Mode: 0o755}},
		"no name":                   {{Name: "", Mode: 0o755}},
		"the root itself":           {{Name: ".", Mode: 0o755 | fs.ModeDir}},
		"the mark of the end":       {{Name: "TRAILER!!!", Mode: 0o755}},
		"a name with a NUL":         {{Name: "a\x00b", Mode: 0o755}},
		"a long name":               {{Name: strings.Repeat("a", 256), Mode: 0o755}},
		"twice the same":            {{Name: "a", Mode: 0o755}, {Name: "a", Mode: 0o755}},
		"no folder":                 {{Name: "a/b", Mode: 0o755}},
		"a folder that is a file":   {{Name: "a", Mode: 0o755}, {Name: "a/b", Mode: 0o755}},
		"set-user-id":               {{Name: "a", Mode: 0o755 | fs.ModeSetuid}},
		"a pipe":                    {{Name: "a", Mode: 0o755 | fs.ModeNamedPipe}},
		"a block device":            {{Name: "a", Mode: 0o600 | fs.ModeDevice}},
		"a folder with contents":    {{Name: "a", Mode: 0o755 | fs.ModeDir, Data: []byte("x")}},
		"a file with a device":      {{Name: "a", Mode: 0o755, Major: 5}},
		"a link that leads nowhere": {{Name: "a", Mode: 0o777 | fs.ModeSymlink}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, files); !errors.Is(err, ErrFiles) || b.Len() != 0 {
				t.Errorf("got %v and %d bytes", err, b.Len())
			}
		})
	}
}

func TestArchivesRefused(t *testing.T) {
	good := write(t, sample())
	change := func(at int, c byte) []byte { b := bytes.Clone(good); b[at] = c; return b }
	for name, b := range map[string][]byte{
		"nothing":                  nil,
		"no magic":                 change(5, '2'),
		"a number":                 change(6, 'g'),
		"another inode":            change(13, '7'),
		"lower case":               bytes.Replace(good, []byte("000041ED"), []byte("000041ed"), 1),
		"another owner":            change(29, '1'),
		"another time":             change(53, '1'),
		"no trailer":               good[:len(good)-124],
		"cut":                      good[:len(good)-1],
		"zeros behind":             append(bytes.Clone(good), 0, 0, 0, 0),
		"a second archive":         append(bytes.Clone(good), good...),
		"a byte of padding":        change(headerSize+4, 'x'),
		"a name that is not ended": change(headerSize+3, 'x'),
	} {
		t.Run(name, func(t *testing.T) {
			if files, err := Read(b); !errors.Is(err, ErrArchive) {
				t.Errorf("got %v, %v", files, err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(write(f, sample()))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := Read(b)
		if err != nil {
			return
		}
		if !bytes.Equal(write(t, files), b) {
			t.Error("accepted, and written again it has other bytes")
		}
	})
}
