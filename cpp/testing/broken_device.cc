// Registers a device, `mps`, that cannot be made the current one, as one whose driver is gone.
// Opened as a recorder, which it is none.
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <stdexcept>

namespace {

class BrokenGuard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::DeviceType::MPS; }
  c10::Device exchangeDevice(c10::Device) const override { Fail(); }
  c10::Device getDevice() const override { return {c10::DeviceType::MPS, 0}; }
  void setDevice(c10::Device) const override { Fail(); }
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

 private:
  [[noreturn]] static void Fail() { throw std::runtime_error("The device is broken"); }
};

const c10::impl::DeviceGuardImplRegistrar kRegistered(c10::DeviceType::MPS, new BrokenGuard());

}  // namespace
