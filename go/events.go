// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"errors"
	"iter"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// An EventKind is what an event tells.
type EventKind int32

const (
	EventJobState         EventKind = creplicant.EVENT_JOB_STATE         // a job has gone from one state to another
	EventJobProgress      EventKind = creplicant.EVENT_JOB_PROGRESS      // a job has got further
	EventReplicationState EventKind = creplicant.EVENT_REPLICATION_STATE // a replication has gone from one state to another
	EventVolume           EventKind = creplicant.EVENT_VOLUME            // a volume has appeared, changed or gone
	EventLost             EventKind = creplicant.EVENT_LOST              // the queue overflowed: read the lists again
)

func (k EventKind) String() string {
	return named("EventKind", int64(k), map[int64]string{
		int64(EventJobState): "job state", int64(EventJobProgress): "job progress",
		int64(EventReplicationState): "replication state", int64(EventVolume): "volume",
		int64(EventLost): "lost",
	})
}

// An Event is something that has happened.
//
// C: lsm_event_kind_get, lsm_event_sequence_get, lsm_event_time_ms_get, lsm_event_object_id_get,
// lsm_event_old_state_get, lsm_event_new_state_get, lsm_event_record_free.
type Event struct {
	Kind     EventKind
	Sequence uint64 // greater than that of the event before; a gap is no loss
	Time     time.Time
	ObjectID string // the job's, the replication's or the volume's; "" for EventLost
	OldState int    // a JobState or a ReplicationState, as the kind has it; -1: none
	NewState int
}

func newEvent(h creplicant.Event) Event {
	return Event{
		Kind:     EventKind(creplicant.Event_kind_get(h)),
		Sequence: creplicant.Event_sequence_get(h),
		Time:     instant(creplicant.Event_time_ms_get(h)),
		ObjectID: creplicant.Event_object_id_get(h),
		OldState: creplicant.Event_old_state_get(h),
		NewState: creplicant.Event_new_state_get(h),
	}
}

// Events tells what happens from this call on (not from the loop on: so list after it, and nothing
// is missed). The sequence is for one loop. It ends with an error: ctx's, os.ErrClosed when the
// connection is closed, or ErrNotSupported. A loop that waits takes no thread. Whoever calls it and
// never loops should end ctx.
//
// C: lsm_event_queue_open, lsm_event_queue_fd_get, lsm_event_next, lsm_event_queue_close.
func (c *Conn) Events(ctx context.Context) iter.Seq2[Event, error] {
	l, err := c.listen(ctx)
	if err != nil {
		return func(yield func(Event, error) bool) { yield(Event{}, err) }
	}
	stop := context.AfterFunc(ctx, func() { c.deafen(l) })
	return func(yield func(Event, error) bool) {
		defer c.deafen(l)
		defer stop()
		for {
			e, err := l.receive()
			if err != nil && ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// listen opens a listener; c closes it if nobody does before.
func (c *Conn) listen(ctx context.Context) (l *listener, err error) {
	err = c.do(ctx, func(h creplicant.Connect) error {
		c.listening.Lock()
		defer c.listening.Unlock()
		l, err = newListener(h)
		if err == nil {
			c.listeners[l] = struct{}{}
		}
		return err
	})
	return l, err
}

func (c *Conn) deafen(l *listener) {
	c.listening.Lock()
	delete(c.listeners, l)
	c.listening.Unlock()
	l.close()
}

// A listener is a queue of events, with its descriptor in Go's netpoller: to wait takes a goroutine,
// not a thread.
type listener struct {
	file *os.File // a duplicate, since the queue closes its own
	raw  syscall.RawConn

	mu    sync.Mutex
	queue creplicant.EventQueue // 0: closed
}

func newListener(h creplicant.Connect) (*listener, error) {
	l := &listener{}
	if err := creplicant.Event_queue_open(h, &l.queue); err != nil {
		return nil, err
	}
	var fd int32
	err := creplicant.Event_queue_fd_get(l.queue, &fd)
	if err == nil {
		var dup uintptr
		var errno syscall.Errno
		dup, _, errno = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			err = os.NewSyscallError("fcntl", errno)
		} else {
			l.file = os.NewFile(dup, "events") // non-blocking, so it joins the netpoller
			l.raw, err = l.file.SyscallConn()
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// next takes the oldest event, if one waits.
func (l *listener) next() (e Event, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue == 0 {
		return Event{}, false, os.ErrClosed
	}
	var h creplicant.Event
	if err := creplicant.Event_next(l.queue, &h); err != nil || h == 0 {
		return Event{}, false, translated(err)
	}
	defer creplicant.Event_record_free(h)
	return newEvent(h), true, nil
}

// receive waits for the next event; os.ErrClosed after close.
func (l *listener) receive() (e Event, err error) {
	closed := l.raw.Read(func(uintptr) bool {
		var ok bool
		e, ok, err = l.next()
		return ok || err != nil // or it waits until the descriptor is readable
	})
	if closed != nil && err == nil {
		err = os.ErrClosed
	}
	return e, err
}

// close ends whoever is in receive; twice is harmless.
func (l *listener) close() {
	l.mu.Lock()
	queue := l.queue
	l.queue = 0
	l.mu.Unlock()
	if queue == 0 {
		return
	}
	if l.file != nil {
		l.file.Close()
	}
	creplicant.Event_queue_close(queue)
}

// A hub wakes those who wait for a job or a replication. A connection has one, made when somebody
// waits for the first time: one queue and one goroutine, however many wait.
type hub struct {
	mu      sync.Mutex
	waiting map[string]map[*watch]struct{} // by the object's id
}

func (h *hub) run(l *listener) {
	for {
		e, err := l.receive()
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil: // no memory, at this moment
			time.Sleep(pollInterval)
			h.wake("")
		case e.Kind == EventLost:
			h.wake("")
		default:
			h.wake(e.ObjectID)
		}
	}
}

// wake wakes those who wait for an object; all for "".
func (h *hub) wake(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id != "" {
		for w := range h.waiting[id] {
			w.wake()
		}
		return
	}
	for _, watches := range h.waiting {
		for w := range watches {
			w.wake()
		}
	}
}

// A watch is one goroutine's wait for something to happen to an object.
type watch struct {
	conn    *Conn
	id      string
	changed chan struct{} // holds one: a change that has not been seen
	poll    *time.Ticker  // where the backend has no events
}

const pollInterval = 200 * time.Millisecond

// watch begins to watch an object. What the object is must be read afterwards.
func (c *Conn) watch(ctx context.Context, id string) (*watch, error) {
	w := &watch{conn: c, id: id, changed: make(chan struct{}, 1)}
	err := c.do(ctx, func(h creplicant.Connect) error {
		c.listening.Lock()
		defer c.listening.Unlock()
		if c.hub == nil && !c.deaf {
			l, err := newListener(h)
			if err = translated(err); errors.Is(err, ErrNotSupported) {
				c.deaf = true
			} else if err != nil {
				return err
			} else {
				c.hub = &hub{waiting: map[string]map[*watch]struct{}{}}
				c.listeners[l] = struct{}{}
				go c.hub.run(l)
			}
		}
		if c.deaf {
			w.poll = time.NewTicker(pollInterval)
			return nil
		}
		c.hub.mu.Lock()
		defer c.hub.mu.Unlock()
		if c.hub.waiting[id] == nil {
			c.hub.waiting[id] = map[*watch]struct{}{}
		}
		c.hub.waiting[id][w] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (w *watch) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// wait returns when something may have happened since the watch began or wait last returned.
func (w *watch) wait(ctx context.Context) error {
	var poll <-chan time.Time
	if w.poll != nil {
		poll = w.poll.C
	}
	select {
	case <-w.changed:
	case <-poll:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.conn.done:
		return os.ErrClosed
	}
	return nil
}

func (w *watch) stop() {
	if w.poll != nil {
		w.poll.Stop()
		return
	}
	h := w.conn.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting[w.id], w)
	if len(h.waiting[w.id]) == 0 {
		delete(h.waiting, w.id)
	}
}
