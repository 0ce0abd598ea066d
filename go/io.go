// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// An IO is an open volume: an io.ReaderAt, io.WriterAt and io.Closer. Any number of goroutines may
// use it at once; buffers are used where they lie. It stays open when its connection is closed.
//
// What was flushed, or written with WriteAtFUA, is there after a power cut. What was not may be
// gone.
type IO struct {
	mu     sync.RWMutex // as Conn's: read for each call, written by Close
	handle creplicant.VolumeIO
}

var (
	_ io.ReaderAt = (*IO)(nil)
	_ io.WriterAt = (*IO)(nil)
	_ io.Closer   = (*IO)(nil)
)

// An OpenOption is a wish about an IO.
type OpenOption uint64

// ReadOnly opens a volume for reading only, which a mirror's target and a disabled volume allow.
const ReadOnly OpenOption = creplicant.VOLUME_IO_READ_ONLY

// Open opens the volume for reading and writing.
//
// C: lsm_volume_io_open.
func (v *Volume) Open(ctx context.Context, opts ...OpenOption) (*IO, error) {
	var flags uint64
	for _, opt := range opts {
		flags |= uint64(opt)
	}
	f := &IO{}
	err := v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		var opened creplicant.VolumeIO
		err := creplicant.Volume_io_open(h, volume, &opened, flags)
		f.handle = opened
		return err
	})
	if err != nil {
		return nil, err
	}
	runtime.SetFinalizer(f, func(f *IO) { go f.Close() })
	return f, nil
}

// Close waits for the calls under way and closes the volume. It does not flush. What is called
// afterwards is os.ErrClosed; to close twice is harmless.
//
// C: lsm_volume_io_close.
func (f *IO) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handle == 0 {
		return nil
	}
	h := f.handle
	f.handle = 0
	runtime.SetFinalizer(f, nil)
	return translated(creplicant.Volume_io_close(h, creplicant.CLIENT_FLAG_RSVD))
}

// ReadAt reads len(p) bytes from off. Only where the volume ends before that does it read less, and
// returns io.EOF.
//
// C: lsm_volume_io_pread.
func (f *IO) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.handle == 0 {
		return 0, os.ErrClosed
	}
	if off < 0 {
		return 0, invalid("the offset is negative: %d", off)
	}
	err := creplicant.Volume_io_pread(f.handle, p, uint64(off))
	if err == nil {
		return len(p), nil
	}
	if err = translated(err); !errors.Is(err, ErrInvalidArgument) {
		return 0, err
	}
	// Past the end, most likely: what is before it can be read.
	left := signed(creplicant.Volume_io_size_get(f.handle)) - off
	if left >= int64(len(p)) {
		return 0, err
	}
	if left <= 0 {
		return 0, io.EOF
	}
	if err := creplicant.Volume_io_pread(f.handle, p[:left], uint64(off)); err != nil {
		return 0, translated(err)
	}
	return int(left), io.EOF
}

// WriteAt writes p at off, all of it or none that counts: past the volume's end is
// ErrInvalidArgument, and nothing is written.
//
// C: lsm_volume_io_pwrite.
func (f *IO) WriteAt(p []byte, off int64) (int, error) { return f.write(p, off, 0) }

// WriteAtFUA is WriteAt, durable when it returns.
//
// C: lsm_volume_io_pwrite.
func (f *IO) WriteAtFUA(p []byte, off int64) (int, error) {
	return f.write(p, off, creplicant.VOLUME_IO_FUA)
}

func (f *IO) write(p []byte, off int64, flags uint64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.handle == 0 {
		return 0, os.ErrClosed
	}
	if off < 0 {
		return 0, invalid("the offset is negative: %d", off)
	}
	if err := creplicant.Volume_io_pwrite(f.handle, p, uint64(off), flags); err != nil {
		return 0, translated(err)
	}
	return len(p), nil
}

// ranged makes one C call about a range of bytes.
func (f *IO) ranged(off, length int64, call func(h creplicant.VolumeIO, count, offset uint64) error) error {
	offset, err := unsigned("the offset", off)
	if err != nil {
		return err
	}
	count, err := unsigned("the length", length)
	if err != nil {
		return err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.handle == 0 {
		return os.ErrClosed
	}
	return translated(call(f.handle, count, offset))
}

// WriteZeroes makes length bytes from off read as zeros, without writing them where that can be
// avoided.
//
// C: lsm_volume_io_write_zeroes.
func (f *IO) WriteZeroes(off, length int64) error {
	return f.ranged(off, length, func(h creplicant.VolumeIO, count, offset uint64) error {
		return creplicant.Volume_io_write_zeroes(h, count, offset, creplicant.CLIENT_FLAG_RSVD)
	})
}

// Discard tells that length bytes from off are no longer needed. They read as zeros.
//
// C: lsm_volume_io_discard.
func (f *IO) Discard(off, length int64) error {
	return f.ranged(off, length, func(h creplicant.VolumeIO, count, offset uint64) error {
		return creplicant.Volume_io_discard(h, count, offset, creplicant.CLIENT_FLAG_RSVD)
	})
}

// Flush makes durable whatever was written, by any IO, before this call.
//
// C: lsm_volume_io_flush.
func (f *IO) Flush() error {
	return f.ranged(0, 0, func(h creplicant.VolumeIO, _, _ uint64) error {
		return creplicant.Volume_io_flush(h, creplicant.CLIENT_FLAG_RSVD)
	})
}

// Size is the volume's size in bytes, now; 0 after Close.
//
// C: lsm_volume_io_size_get.
func (f *IO) Size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return signed(creplicant.Volume_io_size_get(f.handle))
}

// An Extent is a run of bytes that hold data, or are known to be zeros.
type Extent struct {
	Offset, Length int64
	Zero           bool
}

// Extents tells which of the length bytes from off hold data and which are known to be zeros: in
// order, without gaps, neighbours always of different kinds.
//
// C: lsm_volume_io_extents, lsm_extent_array_free.
func (f *IO) Extents(off, length int64) ([]Extent, error) {
	var extents []Extent
	err := f.ranged(off, length, func(h creplicant.VolumeIO, count, offset uint64) error {
		found, err := creplicant.Volume_io_extents(h, count, offset)
		extents = each(found, func(e creplicant.Extent) Extent {
			return Extent{signed(e.Offset), signed(e.Length), e.Flags == creplicant.EXTENT_ZERO}
		})
		return err
	})
	return extents, err
}
