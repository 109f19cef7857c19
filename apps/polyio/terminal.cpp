#include "terminal.hpp"

#include <fmt/format.h>
#include <histedit.h>
#include <locale.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cwchar>
#include <polyio/os/file.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/selectors/poll_selector.hpp>

namespace polyio::app {
namespace {

using namespace std::chrono_literals;

constexpr int standard_input = 0;
constexpr int standard_output = 1;
constexpr auto sequence_patience = 100ms;  // between the bytes that one key sends
constexpr int history_size = 1000;
wchar_t prompt_text[] = L">>> ";
constexpr int prompt_width = 4;

// How many bytes the UTF-8 character that begins with `lead` has; 1 for what begins none.
std::size_t length_of(unsigned char lead) noexcept {
  if (lead < 0xc2 || lead > 0xf4) return 1;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

// `bytes` are the start of a character whose other bytes are still to come.
bool begins_character(std::string_view bytes) noexcept {
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    if ((static_cast<unsigned char>(bytes[i]) & 0xc0u) != 0x80u) return false;
  }
  return bytes.size() < length_of(static_cast<unsigned char>(bytes[0]));
}

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<unsigned char>(c));
  }
}

// The column behind `text`, which starts at `column`, were the terminal endlessly wide.
int column_after(int column, const wchar_t* text, const wchar_t* end) noexcept {
  for (; text < end; ++text) {
    if (*text == L'\t') {
      column += 8 - column % 8;
    } else {
      const int width = ::wcwidth(*text);
      column += width < 0 ? 2 : width;  // libedit shows a control character as ^X
    }
  }
  return column;
}

}  // namespace

std::string Printable::take(std::string_view bytes) {
  rest_ += bytes;
  std::string out;
  out.reserve(rest_.size());
  const std::string_view text = rest_;
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    std::string_view piece = text.substr(at, length_of(static_cast<unsigned char>(c)));
    if (c == '\r' && at + 1 == text.size()) break;
    if (begins_character(piece)) break;
    if (!proto::valid_utf8(piece)) piece = piece.substr(0, 1);
    const bool line_end = c == '\n' || (c == '\r' && text[at + 1] == '\n');
    const bool plain = c >= 0x20 && c < 0x7f;
    at += piece.size();
    if (line_end && c == '\r') continue;
    if (line_end || plain || proto::check_text(piece)) {
      out += piece;
    } else {
      append_escaped(out, piece);
    }
  }
  rest_.erase(0, at);
  return out;
}

std::string Printable::finish() {
  std::string out;
  append_escaped(out, rest_);
  rest_.clear();
  return out;
}

struct Prompt::State {
  EditLine* edit = nullptr;
  History* history = nullptr;
  locale_t before = nullptr;  // libedit draws what the thread's locale can encode
  locale_t utf8 = nullptr;
  std::string keys;  // read, not yet taken by libedit
  bool ended = false;

  // Reads what is there; false: nothing, and no more will come.
  bool read_keys() {
    std::array<std::byte, 4096> room;
    const auto count = os::read(standard_input, room);
    if (!count && count.error() == std::errc::resource_unavailable_try_again) return true;
    if (count.value_or(0) == 0) {
      ended = true;
      return false;
    }
    keys.append(reinterpret_cast<const char*>(room.data()), *count);
    return true;
  }

  // The rest of what a key sends comes at once or never.
  bool read_soon() {
    PollSelector selector;
    if (!selector.register_fd(standard_input, event_read)) return false;
    const auto events = selector.select(sequence_patience);
    return events && !events->empty() && read_keys();
  }

  // libedit asks for one character; 0: there is none.
  static int next_character(EditLine* edit, wchar_t* character) {
    void* data = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &data);
    return static_cast<State*>(data)->next_character(*character);
  }

  int next_character(wchar_t& character) {
    for (;;) {
      if (keys.empty() && !read_soon()) return 0;
      std::mbstate_t state{};
      // NOLINTNEXTLINE(concurrency-mt-unsafe): it is safe, with a state of one's own
      const std::size_t length = std::mbrtowc(&character, keys.data(), keys.size(), &state);
      if (length == static_cast<std::size_t>(-2)) {
        if (!read_soon()) keys.clear();
      } else if (length == static_cast<std::size_t>(-1)) {
        keys.erase(0, 1);
      } else {
        keys.erase(0, std::max<std::size_t>(length, 1));
        return 1;
      }
    }
  }

  bool line_empty() const {
    const LineInfoW* line = ::el_wline(edit);
    return line->lastchar == line->buffer;
  }

  // Hands libedit one key; true: `line` is finished.
  bool edit_one(std::string& line) {
    int count = 0;
    const char* text = ::el_gets(edit, &count);
    if (!text || count < 1 || (text[count - 1] != '\n' && text[count - 1] != '\r')) return false;
    line.assign(text, static_cast<std::size_t>(count - 1));
    return true;
  }

  // Takes the prompt and the line being typed off the screen.
  void erase() const {
    const LineInfoW* line = ::el_wline(edit);
    int columns = 80;
    ::el_get(edit, EL_GETTC, "co", &columns);
    const int row = column_after(prompt_width, line->buffer, line->cursor) / std::max(columns, 1);
    if (row > 0) fmt::print("\x1b[{}A", row);
    fmt::print("\r\x1b[J");
  }
};

bool Prompt::possible() {
  const char* const kind = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return os::is_terminal(standard_input) && os::is_terminal(standard_output) && kind &&
         std::string_view(kind) != "" && std::string_view(kind) != "dumb";
}

Prompt::Prompt() : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (s.utf8) s.before = ::uselocale(s.utf8);
  s.edit = ::el_init("polyio", stdin, stdout, stderr);
  s.history = ::history_init();
  HistEvent event;
  ::history(s.history, &event, H_SETSIZE, history_size);
  ::history(s.history, &event, H_SETUNIQUE, 1);
  ::el_set(s.edit, EL_CLIENTDATA, state_.get());
  ::el_set(s.edit, EL_GETCFN, static_cast<el_rfunc_t>(State::next_character));
  ::el_wset(s.edit, EL_PROMPT, +[](EditLine*) { return prompt_text; });
  ::el_set(s.edit, EL_EDITOR, "emacs");
  ::el_set(s.edit, EL_HIST, ::history, s.history);
  // Keys whose commands would wait for further keys while what the server sends waits, too.
  for (const char* key : {"^R", "^S", "^V", "^Q"}) {
    ::el_set(s.edit, EL_BIND, "-r", key, nullptr);
  }
  ::el_set(s.edit, EL_UNBUFFERED, 1);
}

Prompt::~Prompt() {
  State& s = *state_;
  s.erase();
  std::fflush(stdout);
  ::el_set(s.edit, EL_UNBUFFERED, 0);
  ::el_end(s.edit);
  ::history_end(s.history);
  if (s.utf8) {
    ::uselocale(s.before);
    ::freelocale(s.utf8);
  }
}

Prompt::Typed Prompt::read() {
  State& s = *state_;
  Typed typed;
  s.read_keys();
  while (!s.keys.empty() && !typed.ended) {
    constexpr char end_key = 4;  // Ctrl-D
    std::string line;
    if (s.keys.front() == end_key && s.line_empty()) {
      typed.ended = true;
    } else if (s.edit_one(line)) {
      HistEvent event;
      ::el_set(s.edit, EL_UNBUFFERED, 0);  // ends this line
      if (!line.empty()) ::history(s.history, &event, H_ENTER, line.c_str());
      ::el_set(s.edit, EL_UNBUFFERED, 1);  // and begins the next
      typed.lines.push_back(std::move(line));
    }
  }
  if (s.ended) typed.ended = true;
  return typed;
}

void Prompt::print(std::string_view lines) {
  state_->erase();
  fmt::print("{}{}", lines, lines.ends_with('\n') ? "" : "\n");
  ::el_set(state_->edit, EL_REFRESH);
  std::fflush(stdout);
}

void Prompt::redraw() {
  ::el_set(state_->edit, EL_PREP_TERM, 0);
  ::el_set(state_->edit, EL_PREP_TERM, 1);
  ::el_resize(state_->edit);
  state_->erase();
  ::el_set(state_->edit, EL_REFRESH);
  std::fflush(stdout);
}

}  // namespace polyio::app
