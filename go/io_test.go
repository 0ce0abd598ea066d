// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

func TestIO(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", mib)
	f := open(t, v)
	want := make([]byte, mib)

	t.Run("io_any_alignment", func(t *testing.T) {
		for i, r := range [][2]int{{0, 1}, {511, 2}, {1, 4095}, {4095, 4098}, {100001, 77777}, {mib - 1, 1}, {mib, 0}, {0, 0}} {
			p := noise(uint64(i), r[1])
			if n, err := f.WriteAt(p, int64(r[0])); n != len(p) || err != nil {
				t.Fatal(r, n, err)
			}
			copy(want[r[0]:], p)
			got := make([]byte, len(p))
			if n, err := f.ReadAt(got, int64(r[0])); n != len(p) || err != nil {
				t.Fatal(r, n, err)
			}
			same(t, "what was written", got, p)
		}
		same(t, "all", content(t, v), want)
	})
	t.Run("zeroes_and_discard", func(t *testing.T) {
		ok(t, f.WriteZeroes(5, 9999))
		clear(want[5 : 5+9999])
		ok(t, f.Discard(100000, 65536))
		clear(want[100000 : 100000+65536])
		ok(t, f.WriteZeroes(mib, 0))
		same(t, "all", content(t, v), want)
	})
	t.Run("io_past_the_end_is_101", func(t *testing.T) {
		p := make([]byte, 100)
		for off, left := range map[int64]int{mib - 40: 40, mib: 0, mib + 1: 0, 1<<63 - 1: 0} {
			if n, err := f.ReadAt(p, off); n != left || err != io.EOF {
				t.Error("read", off, n, err)
			}
		}
		same(t, "the last bytes", p[:40], want[mib-40:])
		for _, off := range []int64{mib - 40, mib, 1<<63 - 1} {
			n, err := f.WriteAt(p, off)
			if n != 0 {
				t.Error(n)
			}
			refused(t, err, replicant.CodeInvalidArgument)
			refused(t, f.WriteZeroes(off, 100), replicant.CodeInvalidArgument)
			refused(t, f.Discard(off, 100), replicant.CodeInvalidArgument)
			_, err = f.Extents(off, 100)
			refused(t, err, replicant.CodeInvalidArgument)
		}
		same(t, "all", content(t, v), want)
	})
	t.Run("negative", func(t *testing.T) {
		p := make([]byte, 8)
		for _, call := range []func() error{
			func() error { _, err := f.ReadAt(p, -1); return err },
			func() error { _, err := f.WriteAt(p, -1); return err },
			func() error { return f.Discard(-1, 1) },
			func() error { return f.WriteZeroes(0, -1) },
			func() error { _, err := f.Extents(0, -1); return err },
		} {
			refused(t, call(), replicant.CodeInvalidArgument)
		}
	})
	t.Run("as_a_reader_and_a_writer", func(t *testing.T) {
		all := must(io.ReadAll(io.NewSectionReader(f, 0, f.Size()+1000)))(t)
		same(t, "all", all, want)
		p := noise(77, 300000)
		if n, err := io.Copy(io.NewOffsetWriter(f, 1234), bytes.NewReader(p)); n != int64(len(p)) || err != nil {
			t.Fatal(n, err)
		}
		copy(want[1234:], p)
		same(t, "all", content(t, v), want)
	})
	t.Run("io_fua_and_flush", func(t *testing.T) {
		p := noise(78, 4096)
		if n, err := f.WriteAtFUA(p, 8192); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		copy(want[8192:], p)
		ok(t, f.Flush())
		same(t, "all", content(t, v), want)
	})
	t.Run("io_read_only_handle_is_1006", func(t *testing.T) {
		r := open(t, v, replicant.ReadOnly)
		_, err := r.WriteAt([]byte{1}, 0)
		refused(t, err, replicant.CodeReadOnly)
		refused(t, r.WriteZeroes(0, 1), replicant.CodeReadOnly)
		refused(t, r.Discard(0, 1), replicant.CodeReadOnly)
		same(t, "all", content(t, v), want)
	})
	t.Run("flags_unknown_are_101", func(t *testing.T) {
		_, err := v.Open(context.Background(), replicant.OpenOption(1<<40))
		refused(t, err, replicant.CodeInvalidArgument)
	})
	t.Run("closed", func(t *testing.T) {
		g := must(v.Open(context.Background()))(t)
		ok(t, g.Close())
		ok(t, g.Close())
		p := make([]byte, 8)
		for _, call := range []func() error{
			func() error { _, err := g.ReadAt(p, 0); return err },
			func() error { _, err := g.WriteAt(p, 0); return err },
			func() error { _, err := g.WriteAtFUA(p, 0); return err },
			func() error { return g.Flush() },
			func() error { return g.Discard(0, 1) },
			func() error { return g.WriteZeroes(0, 1) },
			func() error { _, err := g.Extents(0, 1); return err },
		} {
			if err := call(); err != os.ErrClosed {
				t.Error(err)
			}
		}
		if g.Size() != 0 {
			t.Error(g.Size())
		}
	})
}

func TestExtents(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", 4*mib)
	f := open(t, v)
	must(f.WriteAt(noise(1, 65536), mib))(t)
	for _, r := range [][2]int64{{0, 4 * mib}, {mib, 65536}, {1000, 2*mib + 1}, {0, 0}} {
		at := r[0]
		data := int64(0)
		for i, e := range must(f.Extents(r[0], r[1]))(t) {
			if e.Offset != at || e.Length <= 0 {
				t.Fatalf("%v: %d: %+v, where it should begin at %d", r, i, e, at)
			}
			at += e.Length
			if !e.Zero {
				data += e.Length
			} else if e.Offset < mib+65536 && e.Offset+e.Length > mib {
				t.Errorf("%v: data is said to be zeros: %+v", r, e)
			}
		}
		if at != r[0]+r[1] {
			t.Errorf("%v: ends at %d", r, at)
		}
		if r[1] == 4*mib && (data < 65536 || data > mib) {
			t.Errorf("%v: %d bytes of data", r, data)
		}
	}
}

// A buffer that lies in a struct with pointers must not be copied, nor refused by cgo.
func TestBufferInAStruct(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", mib)
	type node struct {
		next *node
		buf  [4096]byte
		name string
	}
	n := &node{next: &node{}, name: "with pointers"}
	n.next.next = n
	copy(n.buf[:], noise(1, 4096))
	f := open(t, v)
	must(f.WriteAt(n.buf[:], 4096))(t)
	must(f.ReadAt(n.next.buf[:], 4096))(t)
	same(t, "through the struct", n.next.buf[:], n.buf[:])
	must(f.WriteAt(n.buf[100:200], 1))(t)
	must(f.ReadAt(n.next.buf[1:101], 1))(t)
	same(t, "a part of it", n.next.buf[1:101], n.buf[100:200])
}

func TestNothingIsAllocated(t *testing.T) {
	conn := connect(t)
	f := open(t, volume(t, conn, "a", mib))
	p := make([]byte, 65536)
	if n := testing.AllocsPerRun(20, func() {
		f.WriteAt(p, 0)
		f.ReadAt(p, 0)
	}); n > 0 {
		t.Error(n, "allocations for a write and a read")
	}
}

func TestManyReadersAndWriters(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", 4*mib)
	f := open(t, v)
	var all sync.WaitGroup
	for g := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			base := int64(g) * mib
			for i := range 40 {
				p := noise(uint64(g*100+i), 3000)
				off := base + int64(i)*7919
				if _, err := f.WriteAt(p, off); err != nil {
					t.Error(err)
				}
				got := make([]byte, len(p))
				if _, err := f.ReadAt(got, off); err != nil || !bytes.Equal(got, p) {
					t.Error("something else was read", err)
				}
			}
		}()
	}
	all.Wait()
}

func TestCloseIOUnderCalls(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", mib)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		f := must(v.Open(within(t)))(t)
		var all sync.WaitGroup
		for range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				p := make([]byte, 4096)
				for {
					if _, err := f.ReadAt(p, 0); err != nil {
						if err != os.ErrClosed {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		time.Sleep(time.Millisecond)
		ok(t, f.Close())
		all.Wait()
	}
	ok(t, v.Delete(within(t)))
}

// An IO that is forgotten is closed when it is collected; the volume can then be deleted.
func TestForgottenIO(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", mib)
	func() { must(v.Open(within(t)))(t) }()
	until(t, "the volume is not in use any more", func() bool {
		collect()
		return v.Delete(within(t)) == nil
	})
}
