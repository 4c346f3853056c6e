interface Disposable {
  dispose(): void
}

/** Native handles that are freed together. One that arrives after the end is freed at once. */
export class Scope {
  private readonly held: Disposable[] = []
  private closed = false

  hold<Handle extends Disposable>(handle: Handle): Handle {
    if (this.closed) handle.dispose()
    else this.held.push(handle)
    return handle
  }

  holdAll<Handle extends Disposable>(handles: readonly Handle[]): readonly Handle[] {
    for (const handle of handles) this.hold(handle)
    return handles
  }

  /** Frees one of them before the others; after the end they are all free. */
  free(handle: Disposable): void {
    const place = this.held.indexOf(handle)
    if (place < 0) return
    this.held.splice(place, 1)
    handle.dispose()
  }

  /** Frees all, or all but one that goes on living elsewhere. Safe twice. */
  dispose(except?: Disposable): void {
    this.closed = true
    for (const handle of this.held.splice(0)) if (handle !== except) handle.dispose()
  }
}
