// Values as bytes, for the way from one process to another on the same machine. The library cereal
// knows the standard library's types and calls a class's own `serialize(archive)`; the archives
// here are ours, over memory. The rule: bytes from another process are not trusted. Every length is
// checked against what is left, so a hostile one gives an error, never a read out of bounds or an
// allocation that the bytes do not pay for.
#pragma once

#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/common.hpp>
#include <cereal/types/complex.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/list.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/unordered_set.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <new>
#include <polyio/base/result.hpp>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace polyio::serial {

// Appends to a buffer, in the layout of this machine and this build.
class Writer : public cereal::OutputArchive<Writer> {
 public:
  // `descriptors` takes what add_descriptor() is given; without it no descriptor can be sent.
  explicit Writer(std::vector<std::byte>& into, std::vector<int>* descriptors = nullptr)
      : cereal::OutputArchive<Writer>(this), into_(into), descriptors_(descriptors) {}

  void append(const void* data, std::size_t size) {
    const auto* const bytes = static_cast<const std::byte*>(data);
    into_.insert(into_.end(), bytes, bytes + size);
  }
  // For types that own a descriptor: sends it beside the bytes; the value's owner keeps its own.
  void add_descriptor(int descriptor) {
    if (!descriptors_) throw cereal::Exception("polyio: no descriptor can be sent this way");
    const auto place = static_cast<std::uint32_t>(descriptors_->size());
    append(&place, sizeof place);
    descriptors_->push_back(descriptor);
  }

 private:
  std::vector<std::byte>& into_;
  std::vector<int>* descriptors_;
};

// Reads what Writer wrote. Throws cereal::Exception on what can't be; from_bytes() catches it.
class Reader : public cereal::InputArchive<Reader> {
 public:
  // Values inside one another, at most: a chain of a million would take the stack.
  static constexpr int max_depth = 500;

  // `descriptors`: those that came with the bytes; one that is taken becomes -1.
  explicit Reader(std::span<const std::byte> from, std::span<int> descriptors = {})
      : cereal::InputArchive<Reader>(this), left_(from), descriptors_(descriptors) {}

  std::size_t left() const noexcept { return left_.size(); }
  void take(void* data, std::size_t size) {
    if (size > left_.size()) throw cereal::Exception("polyio: bytes are missing");
    if (size > 0) std::memcpy(data, left_.data(), size);
    left_ = left_.subspan(size);
  }
  // The length of a container whose elements take at least `each` bytes.
  std::size_t take_size(std::size_t each = 1) {
    std::uint64_t size = 0;
    take(&size, sizeof size);
    if (size > left_.size() / each) throw cereal::Exception("polyio: a length can't be");
    return static_cast<std::size_t>(size);
  }
  // The descriptor that add_descriptor() sent from here; the caller owns it.
  int take_descriptor() {
    std::uint32_t place = 0;
    take(&place, sizeof place);
    if (place >= descriptors_.size() || descriptors_[place] < 0) {
      throw cereal::Exception("polyio: a descriptor is missing");
    }
    return std::exchange(descriptors_[place], -1);
  }
  void enter() {
    if (++depth_ > max_depth) throw cereal::Exception("polyio: values are nested too deep");
  }
  void leave() noexcept { --depth_; }

 private:
  std::span<const std::byte> left_;
  std::span<int> descriptors_;
  int depth_ = 0;
};

// --- what cereal asks of an archive (found by argument-dependent look-up) ---
template <class T>
void prologue(Reader& reader, const T&) {
  reader.enter();
}
template <class T>
void epilogue(Reader& reader, const T&) {
  reader.leave();
}

template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(Writer& writer, const T& value) {
  writer.append(&value, sizeof value);
}
template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    unsigned char byte = 0;  // a bool that is neither true nor false would be undefined
    reader.take(&byte, 1);
    if (byte > 1) throw cereal::Exception("polyio: no bool");
    value = byte != 0;
  } else {
    reader.take(&value, sizeof value);
  }
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(Writer& writer, const cereal::BinaryData<T>& data) {
  writer.append(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, cereal::BinaryData<T>& data) {
  reader.take(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(Writer& writer, const cereal::SizeTag<T>& tag) {
  const std::uint64_t size = tag.size;
  writer.append(&size, sizeof size);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, cereal::SizeTag<T>& tag) {
  tag.size = reader.take_size();
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Writer& writer, cereal::NameValuePair<T>& pair) {
  writer(pair.value);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Reader& reader, cereal::NameValuePair<T>& pair) {
  reader(pair.value);
}

namespace detail {

// Grows with what has been read: cereal's own loader makes room for all elements first, each of
// which may be a thousand times as large as the byte that claims it.
template <class Sequence>
void load_sequence(Reader& reader, Sequence& sequence) {
  using T = typename Sequence::value_type;
  sequence.clear();
  for (std::size_t left = reader.take_size(); left > 0; --left) {
    T value{};
    reader(value);
    sequence.push_back(std::move(value));
  }
}

}  // namespace detail

template <class T, class A>
  requires(!std::is_same_v<T, bool>)
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, std::vector<T, A>& vector) {
  if constexpr (std::is_arithmetic_v<T>) {
    vector.resize(reader.take_size(sizeof(T)));
    reader.take(vector.data(), vector.size() * sizeof(T));
  } else {
    detail::load_sequence(reader, vector);
  }
}
template <class T, class A>
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, std::deque<T, A>& deque) {
  detail::load_sequence(reader, deque);
}
template <class T, class A>
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, std::list<T, A>& list) {
  detail::load_sequence(reader, list);
}

}  // namespace polyio::serial

CEREAL_SETUP_ARCHIVE_TRAITS(polyio::serial::Reader, polyio::serial::Writer)

namespace polyio::serial {

namespace detail {

// cereal's traits say yes to every container; whether its elements can be sent is asked here.
template <class T>
struct Sendable : std::bool_constant<std::is_object_v<T> && !std::is_pointer_v<T> &&
                                     !std::is_member_pointer_v<T> && !std::is_null_pointer_v<T> &&
                                     std::is_default_constructible_v<T> &&
                                     cereal::traits::is_output_serializable<T, Writer>::value &&
                                     cereal::traits::is_input_serializable<T, Reader>::value> {};
template <class... Elements>
using All = std::conjunction<Sendable<std::remove_const_t<Elements>>...>;

template <class T, class A>
struct Sendable<std::vector<T, A>> : All<T> {};
template <class T, class A>
struct Sendable<std::deque<T, A>> : All<T> {};
template <class T, class A>
struct Sendable<std::list<T, A>> : All<T> {};
template <class T, std::size_t N>
struct Sendable<std::array<T, N>> : All<T> {};
template <class T>
struct Sendable<std::optional<T>> : All<T> {};
template <class... T>
struct Sendable<std::tuple<T...>> : All<T...> {};
template <class T, class U>
struct Sendable<std::pair<T, U>> : All<T, U> {};
template <class... T>
struct Sendable<std::variant<T...>> : All<T...> {};
template <>
struct Sendable<std::monostate> : std::true_type {};
template <class T, class C, class A>
struct Sendable<std::set<T, C, A>> : All<T> {};
template <class T, class C, class A>
struct Sendable<std::multiset<T, C, A>> : All<T> {};
template <class K, class T, class C, class A>
struct Sendable<std::map<K, T, C, A>> : All<K, T> {};
template <class K, class T, class C, class A>
struct Sendable<std::multimap<K, T, C, A>> : All<K, T> {};
template <class T, class H, class E, class A>
struct Sendable<std::unordered_set<T, H, E, A>> : All<T> {};
template <class T, class H, class E, class A>
struct Sendable<std::unordered_multiset<T, H, E, A>> : All<T> {};
template <class K, class T, class H, class E, class A>
struct Sendable<std::unordered_map<K, T, H, E, A>> : All<K, T> {};
template <class K, class T, class H, class E, class A>
struct Sendable<std::unordered_multimap<K, T, H, E, A>> : All<K, T> {};

}  // namespace detail

// Can be sent to another process: numbers, enumerations, strings, the standard containers of such,
// and classes with `template <class Archive> void serialize(Archive& a) { a(first, second); }`.
// Not: pointers, references, views, anything that can't be made empty first.
template <class T>
concept Serialisable = detail::Sendable<T>::value;

// Ends the compilation with a sentence a human can act on; the type is in the compiler's next line.
template <class T>
consteval void require_serialisable() {
  static_assert(!std::is_pointer_v<T>,
                "polyio: a pointer can't be sent to another process: it has other memory; send "
                "what it points to (std::string for a char*)");
  static_assert(!std::is_reference_v<T>,
                "polyio: a reference can't be sent to another process: it has other memory; send "
                "the value");
  static_assert(std::is_pointer_v<T> || std::is_reference_v<T> || Serialisable<T>,
                "polyio: this type can't be sent to another process: give it a default "
                "constructor and a serialize() member: template <class Archive> void "
                "serialize(Archive& archive) { archive(first, second); }");
}

// Throws std::bad_alloc, and what a serialize() throws.
template <class... T>
std::vector<std::byte> to_bytes(const T&... values) {
  (require_serialisable<T>(), ...);
  std::vector<std::byte> bytes;
  if constexpr ((Serialisable<T> && ...)) {
    Writer writer(bytes);
    (writer(values), ...);
  }
  return bytes;
}

// What `read(reader)` answers, as a Result: protocol_error for bytes that are no such values, or
// too many, and for whatever a serialize() throws; ENOMEM.
template <class Read>
auto read_all(Reader& reader, Read read) -> Result<std::invoke_result_t<Read&, Reader&>> {
  try {
    auto values = read(reader);
    if (reader.left() > 0) return fail(Errc::protocol_error);
    return values;
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  } catch (const std::exception&) {
    return fail(Errc::protocol_error);
  }
}

// The values that to_bytes() wrote; `bytes` may come from an untrusted source. Errors: see
// read_all(). The elements of a container take a byte each at least: types that write nothing can't
// be elements.
template <class... T>
Result<std::tuple<T...>> from_bytes(std::span<const std::byte> bytes) {
  (require_serialisable<T>(), ...);
  if constexpr ((Serialisable<T> && ...)) {
    Reader reader(bytes);
    return read_all(reader, [](Reader& from) {
      std::tuple<T...> values;
      std::apply([&](auto&... value) { (from(value), ...); }, values);
      return values;
    });
  } else {
    return fail(Errc::protocol_error);
  }
}

}  // namespace polyio::serial
