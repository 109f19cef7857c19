// SharedMemory and Shared<T>: memory that processes share, as bytes or as one object that is
// constructed once. Anonymous, for the processes forked from now on and those it is sent to, or by
// name, for any process of the same user. The rule: nothing is left in the system after the last
// user, killed or not. It is System V shared memory that is marked for removal (IPC_RMID) as soon
// as it is attached: Linux frees it with the last process that has it and lets others attach by its
// number until then (shmctl(2)). A process killed in the few instructions between making and
// marking leaves a segment that the next call here, by any process of the user, removes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <polyio/base/result.hpp>
#include <polyio/serial/serial.hpp>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace polyio::ipc {

// What a segment holds; all its users must agree. Its size is given beside it.
struct Layout {
  std::uint64_t type = 0;     // a hash of the type's name; 0: bytes
  std::uint32_t version = 0;  // of the type; raise it with every change of its members
  std::uint32_t alignment = 1;
  bool operator==(const Layout&) const = default;
};

// How another process finds a segment, as long as some process has it attached.
struct SegmentId {
  std::array<std::uint64_t, 2> token{};  // drawn at random: the number may be another's by now
  std::uint64_t size = 0;
  std::int32_t number = -1;
  bool operator==(const SegmentId&) const = default;
};

// Constructs the object in zeroed memory. May throw; then the segment is gone.
struct SegmentMaker {
  void (*make)(void* memory, void* context) = nullptr;
  void* context = nullptr;
};

// A handle, cheap to copy: the copies of one process share one attachment, which goes with the last
// of them. Each handle is for one thread at a time; synchronise access to the bytes yourself. Mode
// 0600: the user's processes only.
class SharedMemory {
 public:
  static constexpr std::size_t max_name = 63;  // of letters, digits, '.', '_' and '-'

  // Empty: data() is nullptr.
  SharedMemory() noexcept = default;
  // As create() and open(), for bytes, which are zeros at first. Throws std::system_error, whose
  // what() says what is wrong and what to do.
  explicit SharedMemory(std::size_t size);
  SharedMemory(std::string_view name, std::size_t size);

  // Anonymous. Errors: ENOSPC, the system allows no more segments or pages (shmmni, shmall);
  // ENOMEM; EINVAL, larger than shmmax, or 0.
  static Result<SharedMemory> create(std::size_t size, const Layout& layout = {},
                                     SegmentMaker maker = {});
  // The segment of this name, made if no process has it. One process at a time opens a name; if it
  // is killed in here it leaves nothing. Errors, besides those of create(): EEXIST, it exists with
  // another size, type or version; EBADMSG, it is damaged; EACCES, another user's process keeps the
  // name's lock; EBUSY, it stayed locked for ten seconds; EINVAL, not a valid name.
  static Result<SharedMemory> open(std::string_view name, std::size_t size,
                                   const Layout& layout = {}, SegmentMaker maker = {});
  // The segment whose id() is `id`. Errors: ENOENT, its last user has gone; EEXIST, EBADMSG as
  // above.
  static Result<SharedMemory> attach(const SegmentId& id, const Layout& layout = {});
  // What went wrong, for people.
  static std::system_error explain(std::error_code code, std::string_view name);

  void* data() const noexcept;
  std::size_t size() const noexcept;
  SegmentId id() const noexcept;
  explicit operator bool() const noexcept { return segment_ != nullptr; }

  void save(serial::Writer& writer) const { save_id(writer, id()); }
  void load(serial::Reader& reader) { *this = receive(reader, {}); }
  // For types that hold one. receive() throws cereal::Exception when it can't be attached.
  static void save_id(serial::Writer& writer, const SegmentId& id);
  static SharedMemory receive(serial::Reader& reader, const Layout& layout);

 private:
  struct Segment;
  explicit SharedMemory(std::shared_ptr<Segment> segment) noexcept : segment_(std::move(segment)) {}

  std::shared_ptr<Segment> segment_;
};

// FNV-1a, for values on which two programs must agree.
constexpr std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// One T in shared memory: `struct Tickets { ipc::Mutex mutex; int left = 20; };
// ipc::Shared<Tickets> tickets;` or, by name, `ipc::Shared<Tickets> tickets("box-office");`. The
// first process constructs it; its destructor is never called and must be trivial: members are
// numbers, arrays and the primitives of this room. No pointers: each process has its own addresses.
// Give a type that changes a `static constexpr std::uint32_t shared_version`, and raise it each
// time.
template <class T>
class Shared {
  static_assert(std::is_trivially_destructible_v<T>,
                "polyio: a type in shared memory owns nothing: no std::string, no container");
  static_assert(!std::is_pointer_v<T> && !std::is_polymorphic_v<T>,
                "polyio: no pointers and no virtual functions in shared memory: other processes "
                "have other addresses");
  static_assert(alignof(T) <= 64, "polyio: a segment's object is aligned to 64 bytes");

 public:
  // Anonymous. Throws as SharedMemory does, and what T's constructor throws.
  Shared() : Shared(std::in_place) {}
  template <class... Args>
  explicit Shared(std::in_place_t, Args&&... args)
      : Shared(created(std::forward<Args>(args)...), {}) {}
  // By name; the arguments are used if this call constructs it.
  template <class... Args>
  explicit Shared(std::string_view name, Args&&... args)
      : Shared(open(name, std::forward<Args>(args)...), name) {}
  // The same, with the error as a value: see SharedMemory::create() and open().
  template <class... Args>
  static Result<Shared> create(Args&&... args) {
    return of(created(std::forward<Args>(args)...));
  }
  template <class... Args>
  static Result<Shared> open(std::string_view name, Args&&... args) {
    auto construct = [&](void* memory) { new (memory) T(std::forward<Args>(args)...); };
    return of(SharedMemory::open(name, sizeof(T), layout(), maker(construct)));
  }

  T* operator->() const noexcept { return get(); }
  T& operator*() const noexcept { return *get(); }
  T* get() const noexcept { return static_cast<T*>(memory_.data()); }
  const SharedMemory& memory() const noexcept { return memory_; }

  static Layout layout() noexcept {
    Layout layout{hash_of(typeid(T).name()), 0, alignof(T)};
    if constexpr (requires { T::shared_version; }) layout.version = T::shared_version;
    return layout;
  }

  // Sent to another process it is the same object there. The sender must keep it until the receiver
  // has it.
  void save(serial::Writer& writer) const { SharedMemory::save_id(writer, memory_.id()); }
  void load(serial::Reader& reader) {
    SharedMemory received = SharedMemory::receive(reader, layout());
    if (received.size() != sizeof(T))
      throw cereal::Exception("polyio: shared memory of another size");
    memory_ = std::move(received);
  }

 private:
  explicit Shared(SharedMemory memory) noexcept : memory_(std::move(memory)) {}
  Shared(Result<SharedMemory> memory, std::string_view name) {
    if (!memory) throw SharedMemory::explain(memory.error(), name);
    memory_ = std::move(*memory);
  }
  Shared(Result<Shared> other, std::string_view name) {
    if (!other) throw SharedMemory::explain(other.error(), name);
    memory_ = std::move(other->memory_);
  }
  template <class... Args>
  static Result<SharedMemory> created(Args&&... args) {
    auto construct = [&](void* memory) { new (memory) T(std::forward<Args>(args)...); };
    return SharedMemory::create(sizeof(T), layout(), maker(construct));
  }
  static Result<Shared> of(Result<SharedMemory> memory) {
    if (!memory) return fail(memory.error());
    return Shared(std::move(*memory));
  }
  template <class Construct>
  static SegmentMaker maker(Construct& construct) noexcept {
    return {[](void* memory, void* context) { (*static_cast<Construct*>(context))(memory); },
            &construct};
  }

  SharedMemory memory_;
};

}  // namespace polyio::ipc
