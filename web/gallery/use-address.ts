import { useEffect, useState } from 'preact/hooks'

/** A `blob:` address of a picture, for as long as it is shown. */
export function useAddress(png: Blob): string | undefined {
  const [address, setAddress] = useState<string>()
  useEffect(() => {
    const made = URL.createObjectURL(png)
    setAddress(made)
    return () => URL.revokeObjectURL(made)
  }, [png])
  return address
}
