#include "nickname_key.hpp"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <memory>
#include <new>
#include <polyio/proto/text.hpp>
#include <stdexcept>

namespace polyio::chat {
namespace {

void require(UErrorCode error) {
  if (error == U_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
  if (U_FAILURE(error)) throw std::runtime_error(u_errorName(error));
}

// What `convert`, a function of ICU, writes for `text`.
template <class To, class From, class Convert>
To converted(const From& text, Convert convert) {
  To out(text.size() * 2 + 16, 0);
  for (;;) {
    UErrorCode error = U_ZERO_ERROR;
    const std::int32_t length = convert(text.data(), static_cast<std::int32_t>(text.size()),
                                        out.data(), static_cast<std::int32_t>(out.size()), error);
    if (error != U_BUFFER_OVERFLOW_ERROR) require(error);
    out.resize(static_cast<std::size_t>(length));
    if (error != U_BUFFER_OVERFLOW_ERROR) return out;
  }
}

const USpoofChecker& checker() {
  static const std::unique_ptr<USpoofChecker, decltype(&uspoof_close)> made = [] {
    UErrorCode error = U_ZERO_ERROR;
    std::unique_ptr<USpoofChecker, decltype(&uspoof_close)> one(uspoof_open(&error), &uspoof_close);
    require(error);
    uspoof_setChecks(
        one.get(),
        USPOOF_RESTRICTION_LEVEL | USPOOF_INVISIBLE | USPOOF_MIXED_NUMBERS | USPOOF_HIDDEN_OVERLAY,
        &error);
    uspoof_setRestrictionLevel(one.get(), USPOOF_MODERATELY_RESTRICTIVE);
    require(error);
    return one;
  }();
  return *made;
}

std::u16string folded(const std::u16string& text) {
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* const folding = unorm2_getNFKCCasefoldInstance(&error);
  require(error);
  return converted<std::u16string>(
      text, [&](auto from, auto size, auto to, auto room, auto& status) {
        return unorm2_normalize(folding, from, size, to, room, &status);
      });
}

std::u16string skeleton(const std::u16string& text) {
  return converted<std::u16string>(
      text, [](auto from, auto size, auto to, auto room, auto& status) {
        return uspoof_getSkeleton(&checker(), 0, from, size, to, room, &status);
      });
}

std::u16string key_of(const std::u16string& text) {
  std::u16string key = folded(skeleton(folded(text)));
  std::ranges::replace(key, u'i', u'l');
  return key;
}

std::u16string utf16(std::string_view text) {
  return converted<std::u16string>(
      text, [](auto from, auto size, auto to, auto room, auto& status) {
        std::int32_t length = 0;
        u_strFromUTF8WithSub(to, room, &length, from, size, 0xfffd, nullptr, &status);
        return length;
      });
}

bool has_invisible(const std::u16string& text) {
  for (std::size_t at = 0; at < text.size();) {
    UChar32 c = 0;
    U16_NEXT(text, at, text.size(), c);
    if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) return true;
    if (u_isUWhiteSpace(c) && c != ' ') return true;
  }
  return false;
}

bool is_ascii(const std::u16string& text) {
  return std::ranges::all_of(text, [](char16_t c) { return c < 0x80; });
}

}  // namespace

std::string nickname_key(std::string_view name) {
  return converted<std::string>(key_of(utf16(name)),
                                [](auto from, auto size, auto to, auto room, auto& status) {
                                  std::int32_t length = 0;
                                  u_strToUTF8(to, room, &length, from, size, &status);
                                  return length;
                                });
}

std::expected<void, std::string> check_nickname(std::string_view name) {
  if (auto valid = proto::check_nickname(name); !valid) return valid;
  return check_name(name);
}

std::expected<void, std::string> check_name(std::string_view name) {
  UErrorCode error = U_ZERO_ERROR;
  const std::u16string text = utf16(name);
  const std::int32_t found = uspoof_check(&checker(), text.data(),
                                          static_cast<std::int32_t>(text.size()), nullptr, &error);
  require(error);
  if (found & USPOOF_RESTRICTION_LEVEL) {
    return std::unexpected("choose a name whose letters are of one script");
  }
  if (found & USPOOF_MIXED_NUMBERS) {
    return std::unexpected("choose a name whose digits are of one script");
  }
  if (found != 0 || has_invisible(text))
    return std::unexpected("choose a name without invisible or doubled marks");
  const std::u16string look = skeleton(text);
  if (look.starts_with(u'(') || folded(text).starts_with(u'(')) {
    return std::unexpected("choose a name that does not look like an address");
  }
  // Compared by its small letters, it would be another name than the one that it looks like.
  if (is_ascii(look) && !is_ascii(folded(text)) && key_of(look) != key_of(text)) {
    return std::unexpected("write the name in small letters: its capitals look like Latin ones");
  }
  return {};
}

}  // namespace polyio::chat
