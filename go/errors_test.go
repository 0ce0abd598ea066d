// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/libreplicant/libreplicant/go"
)

func codeOf(err error) replicant.ErrorCode {
	var e *replicant.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestErrorMeanings(t *testing.T) {
	for code, targets := range map[replicant.ErrorCode][]error{
		replicant.CodeNotFoundVolume:      {replicant.ErrNotFound, fs.ErrNotExist},
		replicant.CodeNotFoundJob:         {replicant.ErrNotFound, fs.ErrNotExist},
		replicant.CodeNotFoundReplication: {replicant.ErrNotFound, fs.ErrNotExist},
		replicant.CodeNameConflict:        {replicant.ErrNameConflict, fs.ErrExist},
		replicant.CodeNotEnoughSpace:      {replicant.ErrNoSpace},
		replicant.CodeNoSupport:           {replicant.ErrNotSupported, errors.ErrUnsupported},
		replicant.CodeTimeout:             {replicant.ErrTimeout, os.ErrDeadlineExceeded},
		replicant.CodePermissionDenied:    {replicant.ErrPermission, fs.ErrPermission},
		replicant.CodeDaemonNotRunning:    {replicant.ErrUnavailable},
		replicant.CodeOutcomeUnknown:      {replicant.ErrOutcomeUnknown},
	} {
		err := fmt.Errorf("wrapped: %w", &replicant.JobError{Err: &replicant.Error{Code: code, Message: "m"}})
		for _, target := range targets {
			is(t, err, target)
		}
		for _, other := range []error{replicant.ErrBusy, fs.ErrClosed, context.Canceled} {
			if errors.Is(err, other) {
				t.Errorf("%d is %v, too", code, other)
			}
		}
	}
	if errors.Is(&replicant.Error{Code: 9999}, nil) {
		t.Error("a number that nobody knows is nil")
	}
}

func TestErrorErrno(t *testing.T) {
	err := error(&replicant.Error{Code: replicant.CodeIO, Errno: syscall.ENOSPC, Message: "write"})
	is(t, err, syscall.ENOSPC)
	is(t, err, replicant.ErrIO)
	if errors.Is(err, syscall.EIO) {
		t.Error("another errno")
	}
}

func TestErrorText(t *testing.T) {
	e := &replicant.Error{Message: "no", Hint: "try yes"}
	if e.Error() != "replicant: no (try yes)" {
		t.Error(e.Error())
	}
	e.Hint = ""
	if e.Error() != "replicant: no" {
		t.Error(e.Error())
	}
}

// An error is that of its own call, whoever else fails on the same connection at the same time.
func TestErrorsOfManyGoroutines(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "a", mib)
	var all sync.WaitGroup
	for g := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 100 {
				name := fmt.Sprintf("nosuch-%d-%d", g, i)
				var err error
				var code replicant.ErrorCode
				switch (g + i) % 3 {
				case 0:
					_, err = conn.Job(ctx, name)
					code = replicant.CodeNotFoundJob
				case 1:
					_, err = conn.Volumes(ctx, replicant.By(name, "x"))
					code = replicant.CodeUnsupportedSearchKey
				case 2:
					_, err = v.Resize(ctx, mib)
					code = replicant.CodeNoStateChange
				}
				if codeOf(err) != code {
					t.Errorf("%d (%v), where %d was to be expected", codeOf(err), err, code)
				}
			}
		}()
	}
	all.Wait()
}
