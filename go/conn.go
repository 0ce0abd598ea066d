// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// A Conn is an open connection: to a root directory of this machine, a simulator, an array. Any
// number of goroutines may use it at once.
type Conn struct {
	// Each C call is made under a read lock, so Close, which takes it for writing, waits for those
	// under way, and none begins afterwards.
	mu     sync.RWMutex
	handle creplicant.Connect // 0: closed

	done      chan struct{} // closed by Close
	listening sync.Mutex
	listeners map[*listener]struct{} // nil: closed
	hub       *hub                   // nil: nobody has waited yet
	deaf      bool                   // the backend has no events
}

// A ConnectOption is a wish about a connection.
type ConnectOption func(*connectOptions)

type connectOptions struct {
	password string
	timeout  time.Duration
}

// WithPassword is for backends that ask for one.
func WithPassword(password string) ConnectOption {
	return func(o *connectOptions) { o.password = password }
}

// WithTimeout bounds how long each call may wait for locks and for the other side; 30 seconds
// without it.
func WithTimeout(timeout time.Duration) ConnectOption {
	return func(o *connectOptions) { o.timeout = timeout }
}

// Connect opens a connection: "dir:///srv/pool" is a root directory of this machine, "sim://" a
// simulator with real data, any other scheme a libStorageMgmt plug-in. A Conn that is no longer
// used should be closed; what its jobs had begun goes on when the root is opened again.
//
// C: lsm_connect_password.
func Connect(ctx context.Context, uri string, opts ...ConnectOption) (*Conn, error) {
	o := connectOptions{timeout: 30 * time.Second}
	for _, opt := range opts {
		opt(&o)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.timeout <= 0 {
		return nil, invalid("a timeout of %v", o.timeout)
	}
	type result struct {
		conn *Conn
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		var h creplicant.Connect
		err := creplicant.Connect_password(uri, o.password, &h, milliseconds(o.timeout))
		if err != nil {
			opened <- result{err: translated(err)}
			return
		}
		opened <- result{conn: newConn(h)}
	}()
	select {
	case r := <-opened:
		return r.conn, r.err
	case <-ctx.Done():
		go func() { // it comes too late
			if r := <-opened; r.conn != nil {
				r.conn.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func newConn(h creplicant.Connect) *Conn {
	c := &Conn{handle: h, done: make(chan struct{}), listeners: map[*listener]struct{}{}}
	runtime.SetFinalizer(c, func(c *Conn) { go c.Close() })
	return c
}

// Close waits for the calls under way and ends the connection. What is called afterwards is
// os.ErrClosed, and so is whatever was waiting for a job or an event. Open IOs stay open until
// their own Close. To close twice is harmless.
//
// C: lsm_connect_close.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle == 0 {
		return nil
	}
	h := c.handle
	c.handle = 0
	close(c.done)

	c.listening.Lock()
	listeners := c.listeners
	c.listeners = nil
	c.listening.Unlock()
	for l := range listeners {
		l.close()
	}
	runtime.SetFinalizer(c, nil)
	return translated(creplicant.Connect_close(h))
}

// do makes one C call, unless the connection is closed. call must not come back here.
func (c *Conn) do(ctx context.Context, call func(h creplicant.Connect) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c == nil {
		return invalid("not a thing that a connection has returned")
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.handle == 0 {
		return os.ErrClosed
	}
	return translated(call(c.handle))
}

// SetTimeout bounds how long each call from now on may wait for locks and for the other side.
//
// C: lsm_connect_timeout_set.
func (c *Conn) SetTimeout(timeout time.Duration) error {
	return c.do(context.Background(), func(h creplicant.Connect) error {
		return creplicant.Connect_timeout_set(h, milliseconds(timeout))
	})
}

// Timeout tells how long each call may wait for locks and for the other side.
//
// C: lsm_connect_timeout_get.
func (c *Conn) Timeout() (time.Duration, error) {
	var ms uint32
	err := c.do(context.Background(), func(h creplicant.Connect) error {
		return creplicant.Connect_timeout_get(h, &ms)
	})
	return duration(uint64(ms)), err
}

// Info tells what the connection talks to, for people.
//
// C: lsm_plugin_info_get.
func (c *Conn) Info(ctx context.Context) (description, version string, err error) {
	err = c.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Plugin_info_get(h, &description, &version)
	})
	return description, version, err
}

// A System is who offers pools, as it was when it was listed. A root directory is one system.
//
// C: lsm_system_id_get, lsm_system_name_get, lsm_system_status_get, lsm_system_record_free.
type System struct {
	ID     string
	Name   string
	Status SystemStatus

	record *record[creplicant.System]
}

func newSystem(h creplicant.System) *System {
	return &System{
		ID:     creplicant.System_id_get(h),
		Name:   creplicant.System_name_get(h),
		Status: SystemStatus(creplicant.System_status_get(h)),
		record: keep(h, creplicant.System_record_free),
	}
}

// Systems lists the systems behind the connection.
//
// C: lsm_system_list.
func (c *Conn) Systems(ctx context.Context) ([]*System, error) {
	var records []creplicant.System
	err := c.do(ctx, func(h creplicant.Connect) error { return creplicant.System_list(h, &records) })
	return each(records, newSystem), err
}

// system is s, or the first one for nil.
func (c *Conn) system(ctx context.Context, s *System) (*System, error) {
	if s != nil {
		return s, nil
	}
	systems, err := c.Systems(ctx)
	if err == nil && len(systems) == 0 {
		err = refusal(CodeNotFoundSystem, "", "there is no system")
	}
	if err != nil {
		return nil, err
	}
	return systems[0], nil
}

// RangeBlockSize tells how many bytes a block of Volume.ReplicateRange has. A nil system is the
// first one.
//
// C: lsm_volume_replicate_range_block_size.
func (c *Conn) RangeBlockSize(ctx context.Context, s *System) (int64, error) {
	s, err := c.system(ctx, s)
	if err != nil {
		return 0, err
	}
	var n uint32
	err = c.do(ctx, func(h creplicant.Connect) error {
		err := creplicant.Volume_replicate_range_block_size(h, s.record.get(), &n)
		runtime.KeepAlive(s.record)
		return err
	})
	return int64(n), err
}

// Version is that of the library that runs.
//
// C: lsm_library_version_get.
func Version() string { return creplicant.Library_version_get() }

// Backends lists what can be connected to: a description and a version each, with sep between.
//
// C: lsm_available_plugins_list.
func Backends(sep string) ([]string, error) {
	list, err := creplicant.Available_plugins_list(sep)
	return list, translated(err)
}

// ValidVPD83 tells whether a text is a valid VPD 83 id, as operating systems know devices by.
//
// C: lsm_volume_vpd83_verify.
func ValidVPD83(id string) bool { return creplicant.Volume_vpd83_verify(id) }
